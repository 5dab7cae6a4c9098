//! Held against the published vectors, and against what must never pass.

use alloy_primitives::hex;
use proptest::prelude::*;

use super::*;

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index % 251) as u8).collect()
}

/// Source: NIST SP 800-38A, F.5.5 (CTR-AES256.Encrypt).
const NIST_KEY: Key = hex!("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
const NIST_COUNTER: [u8; 16] = hex!("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
const NIST_PLAIN: [u8; 64] = hex!(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
);
const NIST_CIPHER: [u8; 64] = hex!(
    "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
    "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"
);

fn counter(key: &Key, nonce: &[u8; 16], offset: u64, input: &[u8]) -> Vec<u8> {
    let mut output = vec![0; input.len()];
    apply_counter(key, nonce, offset, input, &mut output);
    output
}

#[test]
fn the_counter_mode_is_that_of_nist() {
    assert_eq!(counter(&NIST_KEY, &NIST_COUNTER, 0, &NIST_PLAIN), NIST_CIPHER);
    for offset in 0..64 {
        let rest = counter(&NIST_KEY, &NIST_COUNTER, offset as u64, &NIST_PLAIN[offset..]);
        assert_eq!(rest, NIST_CIPHER[offset..], "from byte {offset}");
    }
}

#[test]
fn the_counter_wraps_at_its_highest_value() {
    let zeros = counter(&NIST_KEY, &[0; 16], 0, &NIST_PLAIN[16..]);
    assert_eq!(counter(&NIST_KEY, &[0xff; 16], 0, &NIST_PLAIN)[16..], zeros);
    assert_eq!(counter(&NIST_KEY, &[0xff; 16], 16, &NIST_PLAIN[16..]), zeros);
}

#[test]
fn spans_on_many_threads_make_one_stream() {
    let plain = pattern((5 << 20) + 7);
    let whole = counter(&NIST_KEY, &NIST_COUNTER, 3, &plain);
    let pieces = plain.chunks(99_999).scan(3, |offset, piece| {
        let output = counter(&NIST_KEY, &NIST_COUNTER, *offset, piece);
        *offset += piece.len() as u64;
        Some(output)
    });
    assert_eq!(whole, pieces.collect::<Vec<_>>().concat());
}

/// Source: RFC 5869, A.1 to A.3.
#[test]
fn keys_are_derived_as_rfc_5869_says() {
    let long: Vec<u8> = (0..=0xff).collect();
    let cases: [[&[u8]; 4]; 3] = [
        [
            &[0x0b; 22],
            &hex!("000102030405060708090a0b0c"),
            &hex!("f0f1f2f3f4f5f6f7f8f9"),
            &hex!("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
        ],
        [
            &long[..0x50],
            &long[0x60..0xb0],
            &long[0xb0..],
            &hex!(
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
            ),
        ],
        [&[0x0b; 22], &[], &[], &hex!("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")],
    ];
    for [material, salt, info, expected] in cases {
        let mut output = vec![0; expected.len()];
        derive(material, salt, info, &mut output).unwrap();
        assert_eq!(output, expected);
    }
    assert_eq!(derive(&[1], &[], &[], &mut vec![0; DERIVED_BYTES_MAX + 1]), Err(CipherError::TooMuchKey));
}

const KEY: Key = [7; 32];
const HEADER: usize = 66;

fn sealed(blocks: Blocks, plain: &[u8]) -> Vec<u8> {
    let mut output = vec![0xee; blocks.sealed_bytes(plain.len()).unwrap()];
    blocks.seal(&KEY, plain, &mut output).unwrap();
    output
}

fn opened(blocks: Blocks, sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
    let mut output = vec![0; blocks.plain_bytes(sealed.len())?];
    blocks.open(&KEY, sealed, &mut output).map(|()| output)
}

const WHOLE: Blocks = Blocks { first: 0, header_bytes: HEADER, ends: true };

/// Source: the GCM specification (McGrew and Viega), test cases 13 and 14: a key and a nonce of zeros, which is block 0 of more.
#[test]
fn a_block_is_sealed_as_gcm_says() {
    let (key, mut output) = ([0; 32], vec![0; BLOCK_BYTES]);
    let blocks = Blocks { first: 0, header_bytes: 0, ends: false };
    blocks.seal(&key, &[0; PAYLOAD_BYTES], &mut output).unwrap();
    assert_eq!(output[..16], hex!("cea7403d4d606b6e074ec5d3baf39d18"));
    let cipher = <aes_gcm::Aes256Gcm as aes_gcm::KeyInit>::new(&key.into());
    let tag = aes_gcm::aead::AeadInOut::encrypt_inout_detached(&cipher, &[0; 12].into(), b"", (&mut [0; 16][..]).into()).unwrap();
    assert_eq!(tag[..], hex!("d0d1c8a799996bf0265b98b5d48ab919"));
}

#[test]
fn sizes_follow_from_one_another() {
    let first = PAYLOAD_BYTES - HEADER;
    for (plain, expected) in
        [(0, HEADER + 16), (1, HEADER + 17), (first, BLOCK_BYTES), (first + 1, BLOCK_BYTES + 17), (first + PAYLOAD_BYTES, 2 * BLOCK_BYTES)]
    {
        assert_eq!((WHOLE.sealed_bytes(plain), WHOLE.plain_bytes(expected)), (Ok(expected), Ok(plain)));
    }
    for refused in [0, HEADER, HEADER + 15, BLOCK_BYTES + 1, BLOCK_BYTES + 16] {
        assert_eq!(WHOLE.plain_bytes(refused), Err(CipherError::Length { bytes: refused }));
    }
    let middle = Blocks { first: 1, header_bytes: 0, ends: false };
    for refused in [0, 1, PAYLOAD_BYTES + 1, usize::MAX] {
        assert_eq!(middle.sealed_bytes(refused), Err(CipherError::Length { bytes: refused }));
    }
    assert_eq!(Blocks { header_bytes: PAYLOAD_BYTES + 1, ..WHOLE }.sealed_bytes(1), Err(CipherError::Length { bytes: 1 }));
}

#[test]
fn room_of_another_size_is_refused() {
    assert_eq!(WHOLE.seal(&KEY, &[1], &mut [0; 16]), Err(CipherError::Length { bytes: 16 }));
    assert_eq!(WHOLE.open(&KEY, &sealed(WHOLE, &[1]), &mut [0; 2]), Err(CipherError::Length { bytes: 2 }));
}

#[test]
fn many_blocks_are_sealed_as_each_alone() {
    let plain = pattern(20 * PAYLOAD_BYTES);
    let whole = sealed(WHOLE, &plain);
    assert_eq!(opened(WHOLE, &whole), Ok(plain.clone()));
    let cut = 9 * BLOCK_BYTES;
    let (head, tail) = (Blocks { ends: false, ..WHOLE }, Blocks { first: 9, header_bytes: 0, ends: true });
    let before = 9 * PAYLOAD_BYTES - HEADER;
    assert_eq!(sealed(head, &plain[..before])[HEADER..], whole[HEADER..cut]);
    assert_eq!(sealed(tail, &plain[before..]), whole[cut..]);
    assert_eq!([opened(head, &whole[..cut]).unwrap(), opened(tail, &whole[cut..]).unwrap()].concat(), plain);
}

#[test]
fn what_was_moved_or_cut_is_refused() {
    let whole = sealed(WHOLE, &pattern(3 * PAYLOAD_BYTES - HEADER));
    let broken = |block| Err(CipherError::Broken { block });
    assert_eq!(opened(WHOLE, &whole[..2 * BLOCK_BYTES]), broken(1));
    assert_eq!(opened(Blocks { ends: false, ..WHOLE }, &whole), broken(2));
    let swapped = [&whole[..BLOCK_BYTES], &whole[2 * BLOCK_BYTES..], &whole[BLOCK_BYTES..2 * BLOCK_BYTES]].concat();
    assert_eq!(opened(WHOLE, &swapped), broken(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_byte_is_refused(size in 0..3 * PAYLOAD_BYTES, place: prop::sample::Index, change in 1..=255u8) {
        let plain = pattern(size);
        let mut bytes = sealed(WHOLE, &plain);
        prop_assert_eq!(opened(WHOLE, &bytes), Ok(plain));
        let place = HEADER + place.index(bytes.len() - HEADER);
        bytes[place] ^= change;
        prop_assert_eq!(opened(WHOLE, &bytes), Err(CipherError::Broken { block: (place / BLOCK_BYTES) as u64 }));
    }
}
