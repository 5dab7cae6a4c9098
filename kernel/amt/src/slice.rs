//! An encoded row with all that proves it, as encoders and signers exchange it: the form of arkworks, uncompressed.

use crate::curve::{G1_BYTES, PointError, from_flagged, to_flagged};
use crate::merkle::{DIGEST_BYTES, Digest};
use crate::points::Node;
use crate::rows::is_canonical;
use crate::shape::{COSETS, DEVELOPMENT, PRODUCTION, Shape, UNIT_BYTES};
use ark_bn254::G1Affine;
use thiserror::Error;

const WORD_BYTES: usize = 8;
/// Bytes of a node in a proof.
pub const NODE_BYTES: usize = 2 * G1_BYTES;

/// Why a slice is refused, in the words of the official node's replies.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SliceError {
    #[error("failed to deserialize slice: {0}")]
    Form(String),
    #[error("verification failed: {0}")]
    Verification(String),
    #[error("received slice does not pass pairing check, the accelerated verification algorithm cannot detect the specific error location")]
    Pairing,
}

impl From<PointError> for SliceError {
    fn from(error: PointError) -> Self {
        Self::Form(format!("InvalidData ({error})"))
    }
}

/// A slice whose form is right; what it claims is not checked yet.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    pub shape: Shape,
    /// Of the encoded row, as the slice itself, its proof and its path say.
    pub index: u64,
    pub proof_index: u64,
    pub path_index: u64,
    /// Inside its coset.
    pub local_index: u64,
    pub commitment: &'a [u8; G1_BYTES],
    pub row: &'a [u8],
    /// Siblings from the top of the proofs' tree, each a commitment and a quotient.
    pub siblings: &'a [[u8; NODE_BYTES]],
    pub high: &'a [u8; G1_BYTES],
    pub coset_roots: &'a [Digest; COSETS],
    /// Siblings from the bottom of the Merkle tree.
    pub path: &'a [Digest],
    pub row_root: &'a Digest,
}

/// Bytes of a slice.
pub const fn slice_bytes(shape: Shape) -> usize {
    let depth = shape.depth() as usize;
    7 * WORD_BYTES + 2 * G1_BYTES + shape.row_bytes() + depth * (NODE_BYTES + DIGEST_BYTES) + (COSETS + 1) * DIGEST_BYTES
}

/// The shape to which a slice of so many bytes belongs.
pub fn shape_of(bytes: usize) -> Result<Shape, SliceError> {
    let fits = |shape: &Shape| slice_bytes(*shape) == bytes;
    let missing = || SliceError::Form(format!("InvalidData (a slice has {} bytes, not {bytes})", slice_bytes(PRODUCTION)));
    [PRODUCTION, DEVELOPMENT].into_iter().find(fits).ok_or_else(missing)
}

impl<'a> Slice<'a> {
    /// Read a slice. Checks its length, the lengths inside and that elements are canonical; points are left to `check_points`.
    pub fn parse(shape: Shape, bytes: &'a [u8]) -> Result<Self, SliceError> {
        if bytes.len() != slice_bytes(shape) {
            return Err(SliceError::Form(format!("InvalidData (a slice has {} bytes, not {})", slice_bytes(shape), bytes.len())));
        }
        let mut reader = Reader(bytes);
        let slice = Self {
            shape,
            index: reader.word()?,
            proof_index: reader.word()?,
            commitment: reader.array()?,
            local_index: reader.word()?,
            row: reader.list(shape.columns(), UNIT_BYTES)?,
            siblings: reader.list(shape.depth() as usize, NODE_BYTES)?.as_chunks().0,
            high: reader.array()?,
            coset_roots: digests(reader.bytes(COSETS * DIGEST_BYTES)?).try_into().map_err(|_| ends_early())?,
            path: digests(reader.list(shape.depth() as usize, DIGEST_BYTES)?),
            path_index: reader.word()?,
            row_root: reader.array()?,
        };
        if !slice.row.chunks_exact(UNIT_BYTES).all(is_canonical) {
            return Err(SliceError::Form("InvalidData (an element is not below the field's modulus)".into()));
        }
        Ok(slice)
    }

    /// Whether all points of the slice are on the curve.
    pub fn check_points(&self) -> Result<(), SliceError> {
        [self.commitment, self.high].into_iter().try_for_each(|bytes| read_point(bytes).map(drop))?;
        Ok(self.siblings.iter().try_for_each(|bytes| read_node(bytes).map(drop))?)
    }
}

/// A point as arkworks writes it. Unlike arkworks this holds the sign against y, so that no bit can change unseen.
pub fn read_point(bytes: &[u8; G1_BYTES]) -> Result<G1Affine, PointError> {
    let point = from_flagged(bytes)?;
    if to_flagged(&point) == *bytes { Ok(point) } else { Err(PointError::Flags) }
}

/// A node of a proof.
pub fn read_node(bytes: &[u8; NODE_BYTES]) -> Result<Node, PointError> {
    let mut halves = [[0; G1_BYTES]; 2];
    halves.as_flattened_mut().copy_from_slice(bytes);
    Ok(Node { commitment: read_point(&halves[0])?, quotient: read_point(&halves[1])? })
}

fn digests(bytes: &[u8]) -> &[Digest] {
    bytes.as_chunks().0
}

fn ends_early() -> SliceError {
    SliceError::Form("IoError (the slice ends early)".into())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], SliceError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(ends_early)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const COUNT: usize>(&mut self) -> Result<&'a [u8; COUNT], SliceError> {
        self.bytes(COUNT)?.try_into().map_err(|_| ends_early())
    }

    fn word(&mut self) -> Result<u64, SliceError> {
        Ok(u64::from_le_bytes(*self.array()?))
    }

    /// What begins with its number of items.
    fn list(&mut self, count: usize, item_bytes: usize) -> Result<&'a [u8], SliceError> {
        let found = self.word()?;
        if found != count as u64 {
            return Err(SliceError::Form(format!("InvalidData (a list of {found} instead of {count})")));
        }
        self.bytes(count * item_bytes)
    }
}

/// What `write` puts beside the row itself.
pub struct Parts<'a, P: Iterator<Item = &'a Digest>> {
    pub index: usize,
    pub commitment: &'a [u8; G1_BYTES],
    pub row: &'a [u8],
    /// From the top.
    pub siblings: &'a [&'a [u8; NODE_BYTES]],
    pub high: &'a [u8; G1_BYTES],
    pub coset_roots: &'a [Digest; COSETS],
    /// From the bottom.
    pub path: P,
    pub row_root: &'a Digest,
}

/// Write a slice into `room` of `slice_bytes` bytes.
pub fn write<'a>(shape: Shape, parts: Parts<'a, impl Iterator<Item = &'a Digest>>, room: &mut [u8]) {
    let mut writer = Writer(room);
    writer.word(parts.index);
    writer.word(parts.index);
    writer.bytes(parts.commitment);
    writer.word(parts.index % shape.rows());
    writer.word(shape.columns());
    writer.bytes(parts.row);
    writer.word(shape.depth() as usize);
    for sibling in parts.siblings {
        writer.bytes(*sibling);
    }
    writer.bytes(parts.high);
    writer.bytes(parts.coset_roots.as_flattened());
    writer.word(shape.depth() as usize);
    for sibling in parts.path {
        writer.bytes(sibling);
    }
    writer.word(parts.index);
    writer.bytes(parts.row_root);
    debug_assert!(writer.0.is_empty());
}

struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        let (place, rest) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        place.copy_from_slice(bytes);
        self.0 = rest;
    }

    fn word(&mut self, value: usize) {
        self.bytes(&(value as u64).to_le_bytes());
    }
}
