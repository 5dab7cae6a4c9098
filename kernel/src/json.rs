//! Fast writers of the JSON that the RPC sends: hex quantities, hex data and objects of them, straight into a byte buffer.

use alloy_primitives::U256;

/// An unsigned number that the RPC writes as a quantity: `0x` and hex digits without leading zeros.
pub trait Quantity {
    /// Append the hex digits alone.
    fn digits(self, out: &mut Vec<u8>);
}

macro_rules! native_quantity {
    ($($number:ty),*) => {$(
        impl Quantity for $number {
            fn digits(self, out: &mut Vec<u8>) {
                native_digits(out, self as u128);
            }
        }
    )*};
}
native_quantity!(u8, u16, u32, u64, u128, usize);

impl Quantity for U256 {
    fn digits(self, out: &mut Vec<u8>) {
        match u128::try_from(self) {
            Ok(small) => native_digits(out, small),
            Err(_) => {
                let bytes = self.to_be_bytes::<32>();
                let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(31);
                let mut rest = &bytes[first..];
                if rest[0] < 16 {
                    out.push(HEX[usize::from(rest[0])]);
                    rest = &rest[1..];
                }
                hex(out, rest);
            }
        }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn native_digits(out: &mut Vec<u8>, value: u128) {
    let count = ((128 - value.leading_zeros()).div_ceil(4)).max(1);
    out.extend((0..count).rev().map(|digit| HEX[((value >> (4 * digit)) & 15) as usize]));
}

/// Append the lower-case hex digits of `bytes`, without `0x`.
pub fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    for (pair, byte) in out[start..].chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
}

/// Append a quantity as a JSON string, such as `"0x1f"`.
pub fn quantity(out: &mut Vec<u8>, value: impl Quantity) {
    out.extend_from_slice(b"\"0x");
    value.digits(out);
    out.push(b'"');
}

/// Append bytes as a JSON string, such as `"0x00ff"`.
pub fn data(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"\"0x");
    hex(out, bytes);
    out.push(b'"');
}

/// Append a JSON array whose items `write` appends.
pub fn array<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    let mut first = true;
    for item in items {
        if !first {
            out.push(b',');
        }
        first = false;
        write(out, item);
    }
    out.push(b']');
}

/// One JSON object on its way into a buffer; `end` closes it.
///
/// Names are written as they are, so they must be plain identifiers.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Open an object at the end of `out`.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Append the name of the next member and hand out the buffer for its value.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A member that is a quantity.
    pub fn quantity(&mut self, name: &str, value: impl Quantity) -> &mut Self {
        quantity(self.member(name), value);
        self
    }

    /// A member that is hex data.
    pub fn data(&mut self, name: &str, bytes: impl AsRef<[u8]>) -> &mut Self {
        data(self.member(name), bytes.as_ref());
        self
    }

    /// A member that is hex data or `null`.
    pub fn data_or_null(&mut self, name: &str, bytes: Option<impl AsRef<[u8]>>) -> &mut Self {
        match bytes {
            Some(bytes) => self.data(name, bytes),
            None => self.null(name),
        }
    }

    /// A member that is `null`.
    pub fn null(&mut self, name: &str) -> &mut Self {
        self.member(name).extend_from_slice(b"null");
        self
    }

    /// A member that is `true` or `false`.
    pub fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        self.member(name).extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// A member that is an array whose items `write` appends.
    pub fn array<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, write: impl FnMut(&mut Vec<u8>, T)) -> &mut Self {
        array(self.member(name), items, write);
        self
    }

    /// Close the object.
    pub fn end(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quantities_have_no_leading_zeros() {
        assert_eq!(written(|out| quantity(out, 0u64)), "\"0x0\"");
        assert_eq!(written(|out| quantity(out, 15u8)), "\"0xf\"");
        assert_eq!(written(|out| quantity(out, 1024usize)), "\"0x400\"");
        assert_eq!(written(|out| quantity(out, U256::MAX)), format!("\"0x{}\"", "f".repeat(64)));
        assert_eq!(written(|out| quantity(out, U256::from(1) << 128)), format!("\"0x1{}\"", "0".repeat(32)));
    }

    #[test]
    fn objects_and_arrays_are_json() {
        let text = written(|out| {
            let mut object = Object::begin(out);
            object.quantity("a", 1u64).data("b", [0u8, 255]).null("c").boolean("d", true).data_or_null("e", None::<&[u8]>);
            object.array("f", [1u64, 2], quantity);
            object.end();
        });
        assert_eq!(text, r#"{"a":"0x1","b":"0x00ff","c":null,"d":true,"e":null,"f":["0x1","0x2"]}"#);
        assert_eq!(written(|out| Object::begin(out).end()), "{}");
    }

    proptest! {
        #[test]
        fn quantities_read_back(words in any::<[u64; 4]>(), drop in 0usize..256) {
            let value = U256::from_limbs(words) >> drop;
            prop_assert_eq!(written(|out| quantity(out, value)), format!("\"{value:#x}\""));
        }

        #[test]
        fn native_quantities_read_back(value: u128, drop in 0u32..128) {
            let value = value >> drop;
            prop_assert_eq!(written(|out| quantity(out, value)), format!("\"{value:#x}\""));
        }
    }
}
