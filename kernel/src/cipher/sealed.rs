//! Blocks that are each sealed with AES-256-GCM, so that any of them can be read alone, and none changed, moved or cut off unseen.
//!
//! A stream of sealed blocks is cut every 64 KiB of what is stored, so a segment of storage is four of them. A block is its payload
//! encrypted, then a tag; only the last may be shorter. The nonce is the block's index and whether it is the last, which is why a key must
//! serve one stream alone. What precedes the payload in block 0, the header, is neither encrypted nor under a tag here: the key is derived
//! from it. Source of the construction: Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance" (STREAM).

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag};
use rayon::prelude::*;

use super::{CipherError, Key};

pub const BLOCK_BYTES: usize = 64 * 1024;
pub const TAG_BYTES: usize = 16;
/// Bytes of a block without its tag.
pub const PAYLOAD_BYTES: usize = BLOCK_BYTES - TAG_BYTES;

/// From so many blocks on they are spread over threads.
const PARALLEL_BLOCKS_MIN: usize = 8;

/// Blocks in a row, of which the first has index `first`, and the last ends the stream if `ends`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    pub first: u64,
    /// Bytes of header in the first block; none in others than block 0.
    pub header_bytes: usize,
    pub ends: bool,
}

impl Blocks {
    /// Bytes that sealing `plain_bytes` gives, with the header.
    pub fn sealed_bytes(self, plain_bytes: usize) -> Result<usize, CipherError> {
        let refused = CipherError::Length { bytes: plain_bytes };
        let payload = self.header_bytes.checked_add(plain_bytes).ok_or(refused)?;
        let whole = payload.is_multiple_of(PAYLOAD_BYTES);
        if self.header_bytes > PAYLOAD_BYTES || payload == 0 || !(self.ends || whole) {
            return Err(refused);
        }
        payload.checked_add(payload.div_ceil(PAYLOAD_BYTES) * TAG_BYTES).ok_or(refused)
    }

    /// Bytes that opening `sealed_bytes` gives, which begin with the header.
    pub fn plain_bytes(self, sealed_bytes: usize) -> Result<usize, CipherError> {
        let tags = sealed_bytes.div_ceil(BLOCK_BYTES) * TAG_BYTES;
        let plain = sealed_bytes.checked_sub(tags).and_then(|payload| payload.checked_sub(self.header_bytes));
        let plain = plain.ok_or(CipherError::Length { bytes: sealed_bytes })?;
        if self.sealed_bytes(plain) == Ok(sealed_bytes) { Ok(plain) } else { Err(CipherError::Length { bytes: sealed_bytes }) }
    }

    /// Seal `plain` into `sealed`, which begins with the header already.
    pub fn seal(self, key: &Key, plain: &[u8], sealed: &mut [u8]) -> Result<(), CipherError> {
        if self.sealed_bytes(plain.len())? != sealed.len() {
            return Err(CipherError::Length { bytes: sealed.len() });
        }
        let cipher = Aes256Gcm::new(&(*key).into());
        let blocks = self.pieces(plain, PAYLOAD_BYTES).into_iter();
        let mut rest = &mut sealed[self.header_bytes..];
        let pairs = blocks.map(|(place, plain)| (place, plain, rest.split_off_mut(..plain.len() + TAG_BYTES).unwrap_or_default()));
        for_each(pairs.collect(), |(place, plain, sealed): (Place, &[u8], &mut [u8])| {
            let (body, tag_place) = sealed.split_at_mut(plain.len());
            let buffer = InOutBuf::new(plain, body).map_err(|_| place.broken())?;
            let tag = cipher.encrypt_inout_detached(&place.nonce(), b"", buffer).map_err(|_| place.broken())?;
            tag_place.copy_from_slice(&tag);
            Ok(())
        })
    }

    /// Open `sealed`, which begins with the header, into `plain`. After an error `plain` holds nothing of use.
    pub fn open(self, key: &Key, sealed: &[u8], plain: &mut [u8]) -> Result<(), CipherError> {
        if self.plain_bytes(sealed.len())? != plain.len() {
            return Err(CipherError::Length { bytes: plain.len() });
        }
        let cipher = Aes256Gcm::new(&(*key).into());
        let blocks = self.pieces(&sealed[self.header_bytes..], BLOCK_BYTES).into_iter();
        let mut rest = plain;
        let pairs = blocks.map(|(place, sealed)| (place, sealed, rest.split_off_mut(..sealed.len() - TAG_BYTES).unwrap_or_default()));
        for_each(pairs.collect(), |(place, sealed, plain): (Place, &[u8], &mut [u8])| {
            let (body, tag) = sealed.split_at(plain.len());
            let tag = Tag::try_from(tag).map_err(|_| place.broken())?;
            let buffer = InOutBuf::new(body, plain).map_err(|_| place.broken())?;
            cipher.decrypt_inout_detached(&place.nonce(), b"", buffer, &tag).map_err(|_| place.broken())
        })
    }

    /// What follows the header, cut where blocks of `block_bytes` end.
    fn pieces(self, bytes: &[u8], block_bytes: usize) -> Vec<(Place, &[u8])> {
        let (head, rest) = bytes.split_at(bytes.len().min(block_bytes - self.header_bytes));
        let pieces = std::iter::once(head).chain(rest.chunks(block_bytes));
        let last = rest.len().div_ceil(block_bytes) as u64;
        let place = |after: u64| Place { index: self.first + after, last: self.ends && after == last };
        pieces.zip(0..).map(|(piece, after)| (place(after), piece)).collect()
    }
}

/// Where a block stands.
#[derive(Clone, Copy)]
struct Place {
    index: u64,
    last: bool,
}

impl Place {
    fn nonce(self) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.index.to_be_bytes());
        nonce[11] = u8::from(self.last);
        nonce.into()
    }

    fn broken(self) -> CipherError {
        CipherError::Broken { block: self.index }
    }
}

fn for_each<T: Send>(items: Vec<T>, work: impl Fn(T) -> Result<(), CipherError> + Sync + Send) -> Result<(), CipherError> {
    if items.len() < PARALLEL_BLOCKS_MIN { items.into_iter().try_for_each(work) } else { items.into_par_iter().try_for_each(work) }
}
