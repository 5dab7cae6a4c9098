//! Whether slices are of one blob: their form, their paths to the data root, and what their proofs claim on the curve.
//!
//! Slices of one blob share most of the nodes of their proofs, so equal nodes are read and checked once. What is left is checked as sums
//! with factors that follow from everything that is checked: the answer is the same each time, and nobody can choose points that cancel out.

use crate::curve::{G1_BYTES, PointError, from_flagless, to_flagged};
use crate::merkle::{Digest, Keccak, climb, data_root};
use crate::ntt::reversed;
use crate::points::Node;
use crate::setup::{Setup, Verifier};
use crate::shape::Shape;
use crate::slice::{NODE_BYTES, Slice, SliceError, read_node, read_point};
use alloy_primitives::{Keccak256, keccak256};
use ark_bn254::{Fr, G1Affine};
use ark_ff::PrimeField;
use rayon::prelude::*;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

/// Which sum a factor is for.
#[derive(Clone, Copy, Debug)]
pub enum Domain {
    Rows = 0,
    Nodes = 1,
}

/// A node that at least one slice names.
#[derive(Clone, Copy, Debug)]
pub struct NodeClaim {
    pub coset: usize,
    pub level: u32,
    pub index: usize,
    pub node: Node,
}

/// One row and its proof.
#[derive(Clone, Debug)]
pub struct RowClaim<'a> {
    /// Among all encoded rows.
    pub index: usize,
    /// Canonical elements.
    pub values: &'a [u8],
    /// Places in `Claims::nodes`, from the top.
    pub siblings: Vec<usize>,
    /// Place in `Claims::highs`.
    pub high: usize,
}

/// What slices of one blob claim on the curve. All points are on it.
#[derive(Clone, Debug)]
pub struct Claims<'a> {
    pub shape: Shape,
    pub commitment: G1Affine,
    /// Distinct ones.
    pub highs: Vec<G1Affine>,
    /// Distinct ones.
    pub nodes: Vec<NodeClaim>,
    pub rows: Vec<RowClaim<'a>>,
    /// A hash over everything that is claimed.
    pub seed: Digest,
}

impl Claims<'_> {
    /// Factors of 128 bits that nobody can choose.
    pub fn challenges(&self, domain: Domain, count: usize) -> Vec<Fr> {
        let block = |index: usize| keccak256([self.seed.as_slice(), &[domain as u8], &(index as u64).to_le_bytes()].concat()).0;
        let halves = (0..count.div_ceil(2)).flat_map(|index| block(index).as_chunks::<16>().0.to_vec());
        halves.take(count).map(|half| Fr::from_le_bytes_mod_order(&half)).collect()
    }

    /// The claims of some of the rows.
    fn part(&self, rows: Range<usize>) -> Self {
        let rows: Vec<_> = self.rows[rows].to_vec();
        let mut part = Self { highs: Vec::new(), nodes: Vec::new(), rows: Vec::with_capacity(rows.len()), ..*self };
        let (mut nodes, mut highs) = (HashMap::new(), HashMap::new());
        for mut row in rows {
            for place in &mut row.siblings {
                *place = moved(&mut nodes, *place, &self.nodes, &mut part.nodes);
            }
            row.high = moved(&mut highs, row.high, &self.highs, &mut part.highs);
            part.rows.push(row);
        }
        part
    }
}

fn moved<T: Copy>(places: &mut HashMap<usize, usize>, place: usize, from: &[T], to: &mut Vec<T>) -> usize {
    *places.entry(place).or_insert_with(|| {
        to.push(from[place]);
        to.len() - 1
    })
}

/// Why slices were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The commitment that they should have is none.
    Commitment(PointError),
    /// The first slice in which something is wrong, and what.
    Slice(usize, SliceError),
}

/// Check slices against a blob's data root and commitment (without flags). Returns the indexes of their rows, in order.
pub fn verify(setup: &Setup, keccak: &Keccak, slices: &[&[u8]], root: &Digest, commitment: &[u8; G1_BYTES]) -> Result<Vec<usize>, Refusal> {
    let commitment = from_flagless(commitment).map_err(Refusal::Commitment)?;
    let parsed = each(slices, |bytes| Slice::parse(setup.shape, bytes))?;
    let (mut claims, bytes) = collect(setup.shape, commitment, &parsed)?;
    let flagged = to_flagged(&commitment);
    each(&parsed, |slice| check_slice(keccak, slice, root, &flagged))?;
    claims.seed = seed_of(root, &flagged, &bytes, &claims.rows);
    if let Some((position, error)) = first_false(setup.verifier.as_ref(), &claims) {
        return Err(Refusal::Slice(position, error));
    }
    Ok(claims.rows.iter().map(|row| row.index).collect())
}

/// All results, or that of the first that failed.
fn each<T: Sync, U: Send>(items: &[T], check: impl Fn(&T) -> Result<U, SliceError> + Sync + Send) -> Result<Vec<U>, Refusal> {
    let results: Vec<_> = items.par_iter().map(check).collect();
    results.into_iter().enumerate().map(|(position, result)| result.map_err(|error| Refusal::Slice(position, error))).collect()
}

/// Everything about one slice that needs no curve.
fn check_slice(keccak: &Keccak, slice: &Slice<'_>, root: &Digest, commitment: &[u8; G1_BYTES]) -> Result<(), SliceError> {
    let (index, rows) = (slice.index, slice.shape.rows());
    let wrong = |text: String| Err(SliceError::Verification(text));
    if slice.proof_index != index {
        return wrong(format!("UnmatchedAMTIndex {{ row_index: {index}, amt_index: {} }}", slice.proof_index));
    }
    if slice.path_index != index {
        return wrong(format!("UnmatchedMerkleIndex {{ row_index: {index}, merkle_index: {} }}", slice.path_index));
    }
    if index >= slice.shape.encoded_rows() as u64 {
        return wrong(format!("RowIndexOverflow {{ actual: {index}, expected_max: {} }}", slice.shape.encoded_rows()));
    }
    let (coset, local) = (index as usize / rows, index as usize % rows);
    if slice.local_index != local as u64 {
        let found = slice.local_index;
        return wrong(format!("UnmatchedCosetIndex {{ coset_index: {coset}, local_index: {local}, amt_index: {found} }}"));
    }
    if slice.commitment != commitment {
        return wrong("IncorrectCommitment".into());
    }
    let row_root = keccak.row_root(slice.row);
    if row_root != *slice.row_root {
        return wrong("the row does not have the root that the slice names".into());
    }
    if climb(row_root, local, slice.path.iter()) != slice.coset_roots[coset] {
        return wrong("the path does not lead from the row to the root of its coset".into());
    }
    if data_root(slice.coset_roots) != *root {
        return wrong("the roots of the cosets do not make the data root".into());
    }
    Ok(())
}

/// Points once read, with their bytes.
struct Distinct<'a, K, const BYTES: usize> {
    places: HashMap<(K, &'a [u8; BYTES]), usize>,
    found: Vec<(usize, K, &'a [u8; BYTES])>,
}

impl<'a, K: Copy + Eq + std::hash::Hash, const BYTES: usize> Distinct<'a, K, BYTES> {
    fn new() -> Self {
        Self { places: HashMap::new(), found: Vec::new() }
    }

    fn place(&mut self, position: usize, key: K, bytes: &'a [u8; BYTES]) -> usize {
        match self.places.entry((key, bytes)) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                self.found.push((position, key, bytes));
                *entry.insert(self.found.len() - 1)
            }
        }
    }
}

type Key = (usize, u32, usize);
/// The distinct nodes and high points as bytes.
struct Collected<'a> {
    nodes: Distinct<'a, Key, NODE_BYTES>,
    highs: Distinct<'a, (), G1_BYTES>,
}

/// The distinct points of slices, read; and the claims that are made of them. A slice with a wrong index is put anywhere, to be refused.
fn collect<'a>(shape: Shape, commitment: G1Affine, slices: &[Slice<'a>]) -> Result<(Claims<'a>, Collected<'a>), Refusal> {
    let mut collected = Collected { nodes: Distinct::new(), highs: Distinct::new() };
    let mut rows = Vec::with_capacity(slices.len());
    for (position, slice) in slices.iter().enumerate() {
        let index = slice.index as usize % shape.encoded_rows();
        let (coset, leaf) = (index / shape.rows(), reversed(index % shape.rows(), shape.depth()));
        let siblings = (1..).zip(slice.siblings).map(|(level, bytes)| {
            let key = (coset, level, (leaf >> (shape.depth() - level)) ^ 1);
            collected.nodes.place(position, key, bytes)
        });
        let siblings = siblings.collect();
        rows.push(RowClaim { index, values: slice.row, siblings, high: collected.highs.place(position, (), slice.high) });
    }
    let nodes =
        read_distinct(&collected.nodes, |(coset, level, index), bytes| Ok(NodeClaim { coset, level, index, node: read_node(bytes)? }));
    let highs = read_distinct(&collected.highs, |(), bytes| read_point(bytes));
    let commitments =
        slices.iter().enumerate().map(|(position, slice)| read_point(slice.commitment).map(drop).map_err(|error| (position, error)));
    let faults = [nodes.as_ref().err().copied(), highs.as_ref().err().copied(), commitments.filter_map(Result::err).next()];
    match (nodes, highs, faults.into_iter().flatten().min_by_key(|(position, _)| *position)) {
        (Ok(nodes), Ok(highs), None) => Ok((Claims { shape, commitment, highs, nodes, rows, seed: Digest::default() }, collected)),
        (_, _, fault) => {
            let (position, error) = fault.unwrap_or((0, PointError::NotOnCurve));
            Err(Refusal::Slice(position, error.into()))
        }
    }
}

fn read_distinct<K: Copy + Sync, T: Send, const BYTES: usize>(
    distinct: &Distinct<'_, K, BYTES>,
    read: impl Fn(K, &[u8; BYTES]) -> Result<T, PointError> + Sync + Send,
) -> Result<Vec<T>, (usize, PointError)> {
    let results: Vec<_> =
        distinct.found.par_iter().map(|(position, key, bytes)| read(*key, bytes).map_err(|error| (*position, error))).collect();
    // The first in the order of slices, for the same answer each time.
    results.into_iter().collect()
}

/// Binds all that the sums check: rows by the data root to which their paths lead, points by their bytes, and who names which.
fn seed_of(root: &Digest, commitment: &[u8; G1_BYTES], collected: &Collected<'_>, rows: &[RowClaim<'_>]) -> Digest {
    let mut hash = Keccak256::new();
    hash.update(root);
    hash.update(commitment);
    for (_, (coset, level, index), bytes) in &collected.nodes.found {
        hash.update([*coset as u8, *level as u8]);
        hash.update((*index as u64).to_le_bytes());
        hash.update(bytes);
    }
    for (_, (), bytes) in &collected.highs.found {
        hash.update(bytes);
    }
    for row in rows {
        for place in row.siblings.iter().chain([&row.index, &row.high]) {
            hash.update((*place as u64).to_le_bytes());
        }
    }
    hash.finalize().0
}

/// The first slice of which a claim is false, if there is one. All together are asked first; if that fails, halves of halves.
fn first_false(verifier: &dyn Verifier, claims: &Claims<'_>) -> Option<(usize, SliceError)> {
    let rows = |claims: &Claims<'_>| verifier.rows_hold(claims);
    let nodes = |claims: &Claims<'_>| verifier.nodes_hold(claims);
    if !rows(claims) {
        return Some((narrowed(&rows, claims), SliceError::Verification("IncorrectProof { error: InconsistentCommitment }".into())));
    }
    if !nodes(claims) {
        return Some((narrowed(&nodes, claims), SliceError::Pairing));
    }
    None
}

fn narrowed(holds: &dyn Fn(&Claims<'_>) -> bool, claims: &Claims<'_>) -> usize {
    let mut range = 0..claims.rows.len();
    while range.len() > 1 {
        let middle = range.start + range.len() / 2;
        range = if holds(&claims.part(range.start..middle)) { middle..range.end } else { range.start..middle };
    }
    range.start
}
