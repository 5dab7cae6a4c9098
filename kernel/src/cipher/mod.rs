//! Encryption of files before they are stored: the counter mode of the official clients, sealed blocks that nobody can change unseen, and
//! the derivation of keys. Nothing here has dice: nonces and salts are arguments.
//! Source: NIST SP 800-38A (CTR), NIST SP 800-38D (GCM), RFC 5869 (HKDF).

mod counter;
mod sealed;

#[cfg(test)]
mod tests;

use hkdf::Hkdf;
use sha2::Sha256;
use thiserror::Error;

pub use counter::apply_counter;
pub use sealed::{BLOCK_BYTES, Blocks, PAYLOAD_BYTES, TAG_BYTES};

/// RFC 5869: at most 255 times what the hash gives.
pub const DERIVED_BYTES_MAX: usize = 255 * 32;

/// A key of AES-256.
pub type Key = [u8; 32];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CipherError {
    /// A mistake of the caller, who knows how long blocks are.
    #[error("{bytes} bytes do not fill whole blocks")]
    Length { bytes: usize },
    #[error("block {block} is not what was encrypted")]
    Broken { block: u64 },
    #[error("HKDF-SHA256 gives at most {DERIVED_BYTES_MAX} bytes")]
    TooMuchKey,
}

/// HKDF-SHA256: fill `output` from key material that need not be uniform.
pub fn derive(material: &[u8], salt: &[u8], info: &[u8], output: &mut [u8]) -> Result<(), CipherError> {
    Hkdf::<Sha256>::new(Some(salt), material).expand(info, output).map_err(|_| CipherError::TooMuchKey)
}
