//! The tree of a file: segments hashed on all threads, then the tree over their roots, from which proofs and submission nodes are read.

use rayon::prelude::*;

use super::Hash;
use super::proof::MerkleProof;
use super::segment::{SubtreeNode, fold_nodes, hash_pairs, segment_nodes};
use super::shape::{FileShape, SEGMENT_BYTES, SEGMENT_HEIGHT, SEGMENT_SECTORS, ShapeError, subtree_heights};
use super::zeros::zero_root;
use crate::hash::HashPath;

/// The tree over the roots of a file's segments.
#[derive(Clone, Debug)]
pub struct SegmentTree {
    shape: FileShape,
    /// From the segments (with the zero ones that pad) to the root.
    levels: Vec<Vec<Hash>>,
}

impl SegmentTree {
    /// `roots`: one for each segment that holds bytes of the file.
    pub fn new(path: HashPath, shape: FileShape, mut roots: Vec<Hash>) -> Result<Self, ShapeError> {
        if roots.len() as u64 != shape.segments() {
            return Err(ShapeError::SegmentCount { given: roots.len(), segments: shape.segments() });
        }
        let mut filled = roots.len();
        roots.resize(shape.padded_segments() as usize, zero_root(SEGMENT_HEIGHT));
        let mut levels = vec![roots];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let height = SEGMENT_HEIGHT + levels.len() as u32;
            let above = level_above(path, below, filled, height);
            filled = filled.div_ceil(2);
            levels.push(above);
        }
        Ok(Self { shape, levels })
    }

    pub fn shape(&self) -> FileShape {
        self.shape
    }

    pub fn root(&self) -> Hash {
        self.levels[self.levels.len() - 1][0]
    }

    /// Roots of the segments that hold bytes of the file.
    pub fn segment_roots(&self) -> &[Hash] {
        &self.levels[0][..self.shape.segments() as usize]
    }

    /// From the root of segment `index` to the file's. A file of one segment is proved by its root alone.
    pub fn proof(&self, index: u64) -> Result<MerkleProof, ShapeError> {
        let segments = self.shape.padded_segments();
        if index >= segments {
            return Err(ShapeError::NoSegment { index, segments });
        }
        if segments == 1 {
            return Ok(MerkleProof { lemma: vec![self.root()], path: Vec::new() });
        }
        let mut place = index as usize;
        let mut proof = MerkleProof { lemma: vec![self.levels[0][place]], path: Vec::new() };
        for level in &self.levels[..self.levels.len() - 1] {
            // An odd last node moves up without a sibling.
            if let Some(sibling) = level.get(place ^ 1) {
                proof.lemma.push(*sibling);
                proof.path.push(place.is_multiple_of(2));
            }
            place /= 2;
        }
        proof.lemma.push(self.root());
        Ok(proof)
    }

    /// The proofs of `count` segments from `first` on.
    pub fn proofs(&self, first: u64, count: u64) -> Result<Vec<MerkleProof>, ShapeError> {
        let segments = self.shape.padded_segments();
        let end = first.checked_add(count).filter(|end| *end <= segments).ok_or(ShapeError::NoSegment { index: segments, segments })?;
        (first..end).map(|index| self.proof(index)).collect()
    }

    /// The perfect subtree of `height` (at least a segment) that begins at `sector`.
    fn node(&self, sector: u64, height: u32) -> SubtreeNode {
        SubtreeNode { root: self.levels[(height - SEGMENT_HEIGHT) as usize][(sector >> height) as usize], height }
    }
}

/// Parents of the nodes `below`, of which the first `filled` are not all zeros; `height` is the parents'.
fn level_above(path: HashPath, below: &[Hash], filled: usize, height: u32) -> Vec<Hash> {
    let pairs = below.len() / 2;
    let mut above = vec![zero_root(height); pairs];
    let hashed = filled.div_ceil(2).min(pairs);
    hash_pairs(path, &below[..2 * hashed], &mut above[..hashed]);
    above.extend(&below[2 * pairs..]);
    above
}

/// Everything that a client needs to submit and upload a file, from one pass over its bytes.
#[derive(Clone, Debug)]
pub struct FileTree {
    segments: SegmentTree,
    /// The subtrees of a last segment that is not whole even with its padding.
    partial: Vec<SubtreeNode>,
}

impl FileTree {
    /// Hashes `data` on the threads of the current rayon pool.
    pub fn new(path: HashPath, data: &[u8]) -> Result<Self, ShapeError> {
        let shape = FileShape::new(data.len() as u64)?;
        let partial_sectors = shape.padded_sectors() as usize % SEGMENT_SECTORS;
        let whole_bytes = if partial_sectors == 0 { data.len() } else { (data.len() - 1) / SEGMENT_BYTES * SEGMENT_BYTES };
        let (whole, rest) = data.split_at(whole_bytes);
        let root_of = |segment: &[u8]| fold_nodes(&segment_nodes(path, segment, SEGMENT_SECTORS));
        let mut roots: Vec<Hash> = whole.par_chunks(SEGMENT_BYTES).map(root_of).collect();
        let partial = segment_nodes(path, rest, partial_sectors);
        if !partial.is_empty() {
            roots.push(fold_nodes(&partial));
        }
        Ok(Self { segments: SegmentTree::new(path, shape, roots)?, partial })
    }

    pub fn segments(&self) -> &SegmentTree {
        &self.segments
    }

    pub fn root(&self) -> Hash {
        self.segments.root()
    }

    /// The perfect subtrees that the file is submitted to the flow as, highest first.
    pub fn submission_nodes(&self) -> Vec<SubtreeNode> {
        let mut sector = 0;
        let mut nodes = Vec::new();
        for height in subtree_heights(self.segments.shape.padded_sectors()).take_while(|height| *height >= SEGMENT_HEIGHT) {
            nodes.push(self.segments.node(sector, height));
            sector += 1 << height;
        }
        nodes.extend(&self.partial);
        nodes
    }
}
