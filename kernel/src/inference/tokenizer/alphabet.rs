//! The alphabet of byte-level vocabularies: every byte has a printable character, so that tokens can stand in text files.
//! Source: openai/gpt-2, src/encoder.py, `bytes_to_unicode`.

/// Bytes that stand for themselves, read as Latin-1.
const fn prints_itself(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// Characters of the other bytes, in their order.
const MOVED_FROM: u32 = 0x100;

const BYTES: [Option<u8>; 0x100 + 68] = {
    let mut bytes = [None; 0x100 + 68];
    let mut moved = 0;
    let mut byte = 0;
    while byte < 0x100 {
        if prints_itself(byte as u8) {
            bytes[byte] = Some(byte as u8);
        } else {
            bytes[MOVED_FROM as usize + moved] = Some(byte as u8);
            moved += 1;
        }
        byte += 1;
    }
    bytes
};

/// The byte that a character stands for.
fn byte_of(character: char) -> Option<u8> {
    BYTES.get(character as usize).copied().flatten()
}

/// The bytes that a token stands for; `None` if it has a character outside the alphabet.
pub(super) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    text.chars().map(byte_of).collect()
}
