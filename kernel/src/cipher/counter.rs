//! AES-256 in counter mode, from any byte on.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use rayon::prelude::*;

use super::Key;

const AES_BLOCK_BYTES: u64 = 16;
/// What one thread takes at once: long enough to be worth the way to it.
const SPAN_BYTES: usize = 1 << 20;

/// Encrypt or decrypt `input`, which begins `offset` bytes after the start of the stream, into `output` of the same length.
///
/// The counter is the nonce as a big-endian number and wraps at 2^128.
///
/// # Panics
/// If the lengths differ.
pub fn apply_counter(key: &Key, nonce: &[u8; 16], offset: u64, input: &[u8], output: &mut [u8]) {
    assert_eq!(input.len(), output.len(), "a byte for each byte");
    if input.len() <= SPAN_BYTES {
        apply_span(key, nonce, offset, input, output);
        return;
    }
    let spans = input.par_chunks(SPAN_BYTES).zip(output.par_chunks_mut(SPAN_BYTES)).enumerate();
    spans.for_each(|(index, (input, output))| apply_span(key, nonce, offset + (index * SPAN_BYTES) as u64, input, output));
}

fn apply_span(key: &Key, nonce: &[u8; 16], offset: u64, input: &[u8], output: &mut [u8]) {
    let counter = u128::from_be_bytes(*nonce).wrapping_add(u128::from(offset / AES_BLOCK_BYTES));
    let mut stream = Ctr128BE::<Aes256>::new(&(*key).into(), &counter.to_be_bytes().into());
    let mut skipped = [0; AES_BLOCK_BYTES as usize];
    stream.apply_keystream(&mut skipped[..(offset % AES_BLOCK_BYTES) as usize]);
    output.copy_from_slice(input);
    stream.apply_keystream(output);
}
