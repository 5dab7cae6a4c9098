//! A setup as files: those of the official ceremony, or those that `make` writes in the same layout for a τ that is thrown away.
//!
//! Layouts and digests: 0glabs/0g-da-encoder, README and crates/amt. A file is read in pieces and hashed on the way; nothing of a folder is
//! used before the digest of the file is right.

mod load;
mod make;
mod source;

use crate::setup::SetupError;
use crate::shape::{DEVELOPMENT, PRODUCTION, Shape};
use std::collections::HashMap;
use std::path::Path;
use thiserror::Error;

pub use load::{Purpose, Trust, load};
pub use make::make;

/// Lines of `digest`, two spaces and file name, as `sha256sum` has them: what `make` writes last.
pub const MANIFEST: &str = "sha256sums.txt";
/// In the names of all files: the official programs' hash of the type that is inside.
const KIND: &str = "5DWgDV";
const MAGIC: &[u8; 4] = b"bamt";
const SHAPES: [Shape; 2] = [PRODUCTION, DEVELOPMENT];

/// Of the files of the official ceremony.
const OFFICIAL_DIGESTS: [(&str, &str); 7] = [
    ("amt-verify-coset0-5DWgDV-10-20.bin", "18bb6b7ba10785a79810180ddd27a6d467d2c0e24e6335e5bc95998e02c6a4f6"),
    ("amt-verify-coset1-5DWgDV-10-20.bin", "19b024fed13e0ba60b17184c998dcccf12119b4fd0ab7c46394b8e024e99c48a"),
    ("amt-verify-coset2-5DWgDV-10-20.bin", "5660a89402df7d47885b304b566d92e1c42349744e202d45fc61a0893bd796c9"),
    ("amt-prove-coset0-mont-5DWgDV-10-20.bin", "6c1d7837e5380ca7e09e1f396b4f8ff3ec546cabcccc7bc65f6439a75a791a80"),
    ("amt-prove-coset1-mont-5DWgDV-10-20.bin", "a9f4f6b07a0d66620d652227233c42d12d2726c00f802eadd0e46db68917885a"),
    ("amt-prove-coset2-mont-5DWgDV-10-20.bin", "0314657436c124f2b00c7bb4e239dc551ab4f0f732516ad9dd656ec12b091c17"),
    ("power-tau-5DWgDV-20.bin", "bc148cd9ce28f65a4bacbe174a232bee426afd32dfce73004ee38ca9afa46059"),
];

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}, byte {offset}: {cause}")]
pub struct ParameterError {
    pub file: String,
    pub offset: u64,
    pub cause: String,
}

impl From<ParameterError> for SetupError {
    fn from(error: ParameterError) -> Self {
        Self(error.to_string())
    }
}

fn verify_name(shape: Shape, coset: usize) -> String {
    format!("amt-verify-coset{coset}-{KIND}-{:02}-{:02}.bin", shape.log_rows, shape.log_elements())
}

fn prove_name(shape: Shape, coset: usize) -> String {
    format!("amt-prove-coset{coset}-mont-{KIND}-{:02}-{:02}.bin", shape.log_rows, shape.log_elements())
}

fn powers_name(shape: Shape) -> String {
    format!("power-tau-{KIND}-{:02}.bin", shape.log_elements())
}

/// Digests that the files of a folder must have.
fn digests(folder: &Path, trust: Trust) -> Result<HashMap<String, String>, SetupError> {
    let path = folder.join(MANIFEST);
    if trust == Trust::Official || !path.exists() {
        return Ok(OFFICIAL_DIGESTS.iter().map(|(name, digest)| ((*name).into(), (*digest).into())).collect());
    }
    let text = std::fs::read_to_string(&path).map_err(|error| SetupError(format!("{}: {error}", path.display())))?;
    let parse = |line: &str| line.split_once("  ").map(|(digest, name)| (name.to_owned(), digest.to_owned()));
    text.lines()
        .map(|line| parse(line).ok_or_else(|| SetupError(format!("{}: `{line}` is no digest with a file name", path.display()))))
        .collect()
}

#[cfg(test)]
mod tests;
