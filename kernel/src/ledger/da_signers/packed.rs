//! Signers and quorums as MessagePack, byte for byte as the reference keeps them: addresses and numbers as texts in byte strings.
//!
//! Source: github.com/vmihailenco/msgpack v5, which writes types that have a text form so (common.Address, big.Int).
use alloy_primitives::{Address, U256, hex};
use zerog_amt::{bls::G2_BYTES, curve::G1_BYTES};

/// The longest socket. Source: 0gfoundation/revm, crates/precompile/src/da_signers.rs.
pub const SOCKET_BYTES_MAX: usize = 96;
/// A number in decimal has at most so many digits.
const DIGITS_MAX: usize = 78;
/// Every number of so many digits fits into 64 bits.
const DIGITS_AT_ONCE: usize = 19;
/// An address as text.
const ADDRESS_BYTES: usize = 42;
/// An address as it is packed.
const PACKED_ADDRESS_BYTES: usize = 2 + ADDRESS_BYTES;
/// More than any signer takes: names, address, socket, six numbers.
pub const SIGNER_BYTES_MAX: usize = 1 + 7 + PACKED_ADDRESS_BYTES + 7 + 2 + SOCKET_BYTES_MAX + 2 * 6 + 4 * 2 + 2 + 6 * (2 + DIGITS_MAX);

const MAP: u8 = 0x80;
const ARRAY: u8 = 0x90;
const TEXT: u8 = 0xa0;
const TEXT_8: u8 = 0xd9;
const BINARY_8: u8 = 0xc4;
const ARRAY_16: u8 = 0xdc;
/// Texts and arrays of fewer have their length in the first byte.
const SHORT_TEXT: usize = 32;
const SHORT_ARRAY: usize = 16;

/// What the contract knows of a signer. Keys are in words, socket is what the signer gave as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    pub account: Address,
    pub socket: Vec<u8>,
    pub key_g1: [u8; G1_BYTES],
    pub key_g2: [u8; G2_BYTES],
}

impl Signer {
    pub fn pack(&self) -> Vec<u8> {
        let mut out = vec![MAP | 4];
        push_text(&mut out, b"Signer");
        push_address(&mut out, self.account);
        push_text(&mut out, b"Socket");
        push_text(&mut out, &self.socket);
        push_text(&mut out, b"PkG1");
        out.push(MAP | 2);
        for (name, number) in [b"X", b"Y"].into_iter().zip(self.key_g1.chunks_exact(32)) {
            push_text(&mut out, name);
            push_number(&mut out, number);
        }
        push_text(&mut out, b"PkG2");
        out.push(MAP | 2);
        for (name, parts) in [b"X", b"Y"].into_iter().zip(self.key_g2.chunks_exact(64)) {
            push_text(&mut out, name);
            out.push(ARRAY | 2);
            for number in parts.chunks_exact(32) {
                push_number(&mut out, number);
            }
        }
        out
    }

    /// `None` if it is not what `pack` gives.
    pub fn unpack(packed: &[u8]) -> Option<Self> {
        let mut reader = Reader(packed);
        reader.expect(&[MAP | 4])?;
        reader.name(b"Signer")?;
        let account = reader.address()?;
        reader.name(b"Socket")?;
        let socket = reader.text()?.to_vec();
        let (mut key_g1, mut key_g2) = ([0; G1_BYTES], [0; G2_BYTES]);
        reader.name(b"PkG1")?;
        reader.expect(&[MAP | 2])?;
        for (name, room) in [b"X", b"Y"].into_iter().zip(key_g1.chunks_exact_mut(32)) {
            reader.name(name)?;
            reader.number(room)?;
        }
        reader.name(b"PkG2")?;
        reader.expect(&[MAP | 2])?;
        for (name, rooms) in [b"X", b"Y"].into_iter().zip(key_g2.chunks_exact_mut(64)) {
            reader.name(name)?;
            reader.expect(&[ARRAY | 2])?;
            for room in rooms.chunks_exact_mut(32) {
                reader.number(room)?;
            }
        }
        reader.0.is_empty().then_some(Self { account, socket, key_g1, key_g2 })
    }
}

/// Bytes before the first row of a quorum.
fn quorum_head_bytes(rows: usize) -> usize {
    if rows < SHORT_ARRAY { 1 } else { 3 }
}

/// Bytes of a quorum of so many rows.
pub const fn quorum_bytes(rows: usize) -> usize {
    3 + PACKED_ADDRESS_BYTES * rows
}

/// The signers of the rows of a quorum, in the rows' order.
pub fn pack_quorum(quorum: &[Address]) -> Vec<u8> {
    let mut out = Vec::with_capacity(quorum_bytes(quorum.len()));
    match u8::try_from(quorum.len()) {
        Ok(rows) if usize::from(rows) < SHORT_ARRAY => out.push(ARRAY | rows),
        _ => out.extend_from_slice(&[ARRAY_16, (quorum.len() >> 8) as u8, quorum.len() as u8]),
    }
    for account in quorum {
        push_address(&mut out, *account);
    }
    out
}

/// `None` if it is not what `pack_quorum` gives.
pub fn unpack_quorum(packed: &[u8]) -> Option<Vec<Address>> {
    let (first, rest) = packed.split_first()?;
    let (rows, rest) = match *first {
        ARRAY_16 => {
            let (count, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*count)), rest)
        }
        short => (usize::from(short.checked_sub(ARRAY).filter(|rows| usize::from(*rows) < SHORT_ARRAY)?), rest),
    };
    if rest.len() != rows * PACKED_ADDRESS_BYTES {
        return None;
    }
    rest.chunks_exact(PACKED_ADDRESS_BYTES).map(|packed| Reader(packed).address()).collect()
}

/// How many rows a quorum has that takes so many bytes.
pub fn rows_of(bytes: usize) -> usize {
    let short = bytes.saturating_sub(1) / PACKED_ADDRESS_BYTES;
    if short < SHORT_ARRAY { short } else { bytes.saturating_sub(3) / PACKED_ADDRESS_BYTES }
}

/// Where the signer of a row stands in a quorum of so many rows: first byte and the one after the last.
pub fn place_of_row(rows: usize, row: usize) -> (usize, usize) {
    let start = quorum_head_bytes(rows) + row * PACKED_ADDRESS_BYTES;
    (start, start + PACKED_ADDRESS_BYTES)
}

/// The signer that `place_of_row` tells the place of.
pub fn unpack_row(packed: &[u8]) -> Option<Address> {
    Reader(packed).address()
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() as u8 {
        length if usize::from(length) < SHORT_TEXT => out.push(TEXT | length),
        length => out.extend_from_slice(&[TEXT_8, length]),
    }
    out.extend_from_slice(text);
}

fn push_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&[BINARY_8, bytes.len() as u8]);
    out.extend_from_slice(bytes);
}

fn push_address(out: &mut Vec<u8>, account: Address) {
    push_binary(out, hex::encode_prefixed(account).as_bytes());
}

fn push_number(out: &mut Vec<u8>, word: &[u8]) {
    push_binary(out, U256::from_be_slice(word).to_string().as_bytes());
}

/// What is left of packed bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn expect(&mut self, bytes: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(bytes)?;
        Some(())
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    fn name(&mut self, name: &[u8]) -> Option<()> {
        self.expect(&[TEXT | name.len() as u8])?;
        self.expect(name)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = match self.byte()? {
            TEXT_8 => self.byte()?,
            short => short.checked_sub(TEXT).filter(|length| usize::from(*length) < SHORT_TEXT)?,
        };
        self.take(usize::from(length))
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        self.expect(&[BINARY_8])?;
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    fn address(&mut self) -> Option<Address> {
        let mut account = [0; 20];
        let digits = self.binary()?.strip_prefix(b"0x").filter(|digits| digits.len() == ADDRESS_BYTES - 2)?;
        hex::decode_to_slice(digits, &mut account).ok()?;
        Some(account.into())
    }

    fn number(&mut self, room: &mut [u8]) -> Option<()> {
        room.copy_from_slice(&decimal(self.binary()?)?.to_be_bytes::<32>());
        Some(())
    }
}

/// A number in decimal, read as many digits at a time as fit into a machine word: sums of keys read thousands of numbers.
fn decimal(digits: &[u8]) -> Option<U256> {
    if digits.is_empty() {
        return None;
    }
    digits.chunks(DIGITS_AT_ONCE).try_fold(U256::ZERO, |number, chunk| {
        let low = chunk.iter().try_fold(0u64, |low, digit| digit.is_ascii_digit().then(|| 10 * low + u64::from(digit - b'0')))?;
        number.checked_mul(U256::from(10u64.pow(chunk.len() as u32)))?.checked_add(U256::from(low))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example(socket: &[u8]) -> Signer {
        let words = |numbers: &[U256]| numbers.iter().flat_map(|number| number.to_be_bytes::<32>()).collect::<Vec<u8>>();
        let number = U256::from;
        let key_g2 = [number(3), number(0), number(5), number(1) << 255];
        Signer {
            account: Address::new(std::array::from_fn(|index| index as u8 + 0xa0)),
            socket: socket.to_vec(),
            key_g1: words(&[number(1), number(2)]).try_into().unwrap(),
            key_g2: words(&key_g2).try_into().unwrap(),
        }
    }

    /// Source of the bytes: github.com/vmihailenco/msgpack v5.4.1, asked to marshal this signer.
    #[test]
    fn a_signer_is_packed_as_the_reference_does() {
        let packed = hex!(
            "84a65369676e6572c42a307861306131613261336134613561366137613861396161616261636164616561666230623162326233a6536f636b6574ad"
            "312e322e332e343a3334303030a4506b473182a158c40131a159c40132a4506b473282a15892c40133c40130a15992c40135c44d3537383936303434"
            "363138363538303937373131373835343932353034333433393533393236363334393932333332383230323832303139373238373932303033393536"
            "353634383139393638"
        );
        assert_eq!(hex::encode(example(b"1.2.3.4:34000").pack()), hex::encode(packed));
        assert_eq!(Signer::unpack(&packed), Some(example(b"1.2.3.4:34000")));
    }

    #[test]
    fn the_largest_signer_fits_the_limit_and_damage_is_noticed() {
        let largest = Signer { key_g1: [0xff; G1_BYTES], key_g2: [0xff; G2_BYTES], ..example(&[b'x'; SOCKET_BYTES_MAX]) };
        let packed = largest.pack();
        assert!(packed.len() <= SIGNER_BYTES_MAX);
        assert_eq!(Signer::unpack(&packed), Some(largest));
        for length in 0..packed.len() {
            assert_eq!(Signer::unpack(&packed[..length]), None);
        }
    }

    /// Source of the first bytes: github.com/vmihailenco/msgpack v5.4.1.
    #[test]
    fn a_full_quorum_is_packed_as_the_reference_does() {
        let packed = pack_quorum(&vec![Address::ZERO; 3072]);
        assert_eq!(packed.len(), 135_171);
        assert_eq!(packed[..8], hex!("dc0c00c42a307830"));
        assert_eq!(pack_quorum(&[Address::repeat_byte(0xab)])[..6], hex!("91c42a307861"));
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(socket in proptest::collection::vec(any::<u8>(), 0..=SOCKET_BYTES_MAX), key: [u8; 32]) {
            let signer = Signer { key_g1: [key, key].concat().try_into().unwrap(), ..example(&socket) };
            prop_assert_eq!(Signer::unpack(&signer.pack()), Some(signer));
        }

        #[test]
        fn numbers_are_read_in_decimal_and_nothing_else_is(limbs: [u64; 4], shift in 0..256usize, junk in "[0-9a-f+_ -]{0,90}") {
            let number = U256::from_limbs(limbs) >> shift;
            prop_assert_eq!(decimal(number.to_string().as_bytes()), Some(number));
            let expected = junk.bytes().all(|digit| digit.is_ascii_digit()).then(|| U256::from_str_radix(&junk, 10).ok()).flatten();
            prop_assert_eq!(decimal(junk.as_bytes()), expected.filter(|_| !junk.is_empty()));
        }

        #[test]
        fn every_row_of_a_quorum_is_found_where_it_stands(rows in 1..300usize, seed: u64) {
            let quorum: Vec<Address> = (0..rows as u64).map(|row| Address::from_word((U256::from(row) * U256::from(seed)).into())).collect();
            let packed = pack_quorum(&quorum);
            prop_assert!(packed.len() <= quorum_bytes(rows));
            prop_assert_eq!(rows_of(packed.len()), rows);
            for (row, account) in quorum.iter().enumerate() {
                let (start, end) = place_of_row(rows, row);
                prop_assert_eq!(unpack_row(&packed[start..end]), Some(*account));
            }
            prop_assert_eq!(unpack_quorum(&packed[..packed.len() - 1]), None);
            prop_assert_eq!(unpack_quorum(&packed), Some(quorum));
        }

        #[test]
        fn whatever_bytes_are_no_signer_give_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Signer::unpack(&bytes), None);
            let _ = unpack_quorum(&bytes);
        }
    }
}
