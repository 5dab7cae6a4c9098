//! A parameter file that is read from its beginning to its end, in pieces, and hashed on the way.

use super::ParameterError;
use crate::batch::{Kernel, Packed};
use crate::curve::from_flagged;
use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, PrimeField};
use ark_serialize::CanonicalDeserialize;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes that are in memory at a time: little, as an allocator keeps large pieces for later.
const PIECE_BYTES: usize = 1 << 19;
const FIELD_BYTES: usize = 32;

/// How the points of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// arkworks', uncompressed.
    Flagged,
    /// arkworks', compressed.
    Compressed,
    /// Words of coordinates times 2^256, without flags.
    Words,
}

impl Form {
    pub const fn g1_bytes(self) -> usize {
        match self {
            Self::Compressed => FIELD_BYTES,
            Self::Flagged | Self::Words => 2 * FIELD_BYTES,
        }
    }

    pub const fn g2_bytes(self) -> usize {
        2 * self.g1_bytes()
    }

    fn g1(self, bytes: &[u8]) -> Option<G1Affine> {
        let point = match self {
            Self::Flagged => from_flagged(bytes.try_into().ok()?).ok()?,
            Self::Compressed => G1Affine::deserialize_compressed_unchecked(bytes).ok()?,
            Self::Words => G1Affine::new_unchecked(word_element(&bytes[..FIELD_BYTES])?, word_element(&bytes[FIELD_BYTES..])?),
        };
        (!point.is_zero() && point.is_on_curve()).then_some(point)
    }

    fn g2(self, bytes: &[u8]) -> Option<G2Affine> {
        let point = match self {
            Self::Flagged => G2Affine::deserialize_uncompressed_unchecked(bytes).ok()?,
            Self::Compressed => G2Affine::deserialize_compressed_unchecked(bytes).ok()?,
            Self::Words => {
                let part = |index: usize| word_element(&bytes[index * FIELD_BYTES..(index + 1) * FIELD_BYTES]);
                G2Affine::new_unchecked(Fq2::new(part(0)?, part(1)?), Fq2::new(part(2)?, part(3)?))
            }
        };
        (!point.is_zero() && point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve()).then_some(point)
    }
}

fn word_element(bytes: &[u8]) -> Option<Fq> {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    (BigInt(words) < Fq::MODULUS).then(|| Fq::new_unchecked(BigInt(words)))
}

/// A point as words, packed. The bytes are from a file that was checked.
pub fn pack_words(kernel: Kernel, bytes: &[u8]) -> Option<Packed> {
    Form::Words.g1(bytes).map(|point| kernel.pack(&point))
}

/// The file and how far it was read.
pub struct Source {
    name: String,
    file: File,
    hash: Sha256,
    offset: u64,
}

impl Source {
    pub fn open(folder: &Path, name: &str) -> Result<Self, ParameterError> {
        let path = folder.join(name);
        let failed = |error: std::io::Error| ParameterError { file: path.display().to_string(), offset: 0, cause: error.to_string() };
        let file = File::open(&path).map_err(failed)?;
        Ok(Self { name: path.display().to_string(), file, hash: Sha256::new(), offset: 0 })
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn fail<T>(&self, offset: u64, cause: impl Into<String>) -> Result<T, ParameterError> {
        Err(ParameterError { file: self.name.clone(), offset, cause: cause.into() })
    }

    /// The next bytes.
    pub fn take(&mut self, bytes: usize) -> Result<Vec<u8>, ParameterError> {
        let mut room = vec![0; bytes];
        if let Err(error) = self.file.read_exact(&mut room) {
            return self.fail(self.offset, format!("{bytes} more bytes belong here: {error}"));
        }
        self.hash.update(&room);
        self.offset += bytes as u64;
        Ok(room)
    }

    /// Read past bytes that are only hashed.
    pub fn skip(&mut self, bytes: u64) -> Result<(), ParameterError> {
        let end = self.offset + bytes;
        while self.offset < end {
            self.take((end - self.offset).min(PIECE_BYTES as u64) as usize)?;
        }
        Ok(())
    }

    /// The number that begins a list.
    pub fn count(&mut self, expected: usize) -> Result<(), ParameterError> {
        let start = self.offset;
        let bytes = self.take(8)?;
        let found = bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        if found == expected as u64 { Ok(()) } else { self.fail(start, format!("a list of {found} instead of {expected}")) }
    }

    /// Points of G1; none may be at infinity.
    pub fn g1(&mut self, form: Form, count: usize, kernel: Kernel) -> Result<Vec<Packed>, ParameterError> {
        self.points(count, form.g1_bytes(), |bytes| form.g1(bytes).map(|point| kernel.pack(&point)))
    }

    /// Points of G2; none may be at infinity.
    pub fn g2(&mut self, form: Form, count: usize) -> Result<Vec<G2Affine>, ParameterError> {
        self.points(count, form.g2_bytes(), |bytes| form.g2(bytes))
    }

    fn points<T: Send>(&mut self, count: usize, bytes: usize, read: impl Fn(&[u8]) -> Option<T> + Sync) -> Result<Vec<T>, ParameterError> {
        let mut points = Vec::with_capacity(count);
        while points.len() < count {
            let start = self.offset;
            let piece = self.take((count - points.len()).min(PIECE_BYTES / bytes) * bytes)?;
            let read: Vec<_> = piece.par_chunks_exact(bytes).map(&read).collect();
            for (index, point) in read.into_iter().enumerate() {
                match point {
                    Some(point) => points.push(point),
                    None => return self.fail(start + (index * bytes) as u64, "no point of the group"),
                }
            }
        }
        Ok(points)
    }

    /// The file, once it is known to end here and to have its digest.
    pub fn finish(mut self, digest: Option<&String>) -> Result<File, ParameterError> {
        let mut more = [0];
        match self.file.read(&mut more) {
            Ok(0) => {}
            Ok(_) => return self.fail(self.offset, "the file should end here"),
            Err(error) => return self.fail(self.offset, error.to_string()),
        }
        let found: String = std::mem::take(&mut self.hash).finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        match digest {
            Some(digest) if *digest == found => Ok(self.file),
            Some(digest) => self.fail(0, format!("sha256 is {found} instead of {digest}: not the file of this setup, or damaged")),
            None => self.fail(0, "no digest is known for this file"),
        }
    }
}
