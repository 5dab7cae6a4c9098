//! The flow: one endless row of sectors, into which each submission is put at its place, and the tree over it.
//!
//! The root needs only the perfect subtrees on the left edge of what comes next (the frontier), a few hashes that a checkpoint keeps.
//! Proofs need the nodes below as well: they are kept from the checkpoint on that the tree was opened at.

use thiserror::Error;

use super::proof::{MerkleProof, lead};
use super::segment::SubtreeNode;
use super::shape::subtree_heights;
use super::zeros::{HEIGHTS, zero_root};
use super::{Hash, parent};

/// The sector before all submissions is no hash of anything. Source: 0gfoundation/0g-storage-contracts, `Flow.sol`.
const SENTINEL: Hash = [0; 32];
/// Positions are below this, so that the tree is never higher than the zero roots that pad it.
const SECTORS_MAX: u64 = 1 << (HEIGHTS - 1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FlowError {
    #[error("a submission begins at sector {start}, but the flow already has {sectors}")]
    Behind { start: u64, sectors: u64 },
    #[error("a node of height {height} cannot stand at sector {sector}: its place is no multiple of 2^{height}, or out of range")]
    Unplaced { sector: u64, height: u32 },
    #[error("a checkpoint of the flow has 8 bytes and a hash for each bit of its length, and this one has {0} bytes")]
    CheckpointForm(usize),
    #[error("the checkpoint at sector {0} is not one of this flow's past")]
    ForeignCheckpoint(u64),
    #[error("nodes around sector {0} are not kept: they were submitted before the checkpoint that the flow was opened at")]
    NotKept(u64),
    #[error("the flow never had {0} sectors, or so long ago that its nodes are not kept")]
    NoLength(u64),
    #[error("the tree over the flow has no sector {0}")]
    NoSector(u64),
    #[error("sector {sector} lies in a submission of height {height}: its leaf and {height} siblings are needed, and must lead to it")]
    Inside { sector: u64, height: u32 },
}

/// A perfect subtree that was submitted: its first sector and its height.
#[derive(Clone, Copy, Debug)]
struct Submitted {
    start: u64,
    height: u32,
}

impl Submitted {
    /// The first sector after it.
    fn end(self) -> u64 {
        self.start + (1 << self.height)
    }
}

#[derive(Clone, Debug)]
pub struct FlowTree {
    sectors: u64,
    /// The perfect subtrees that `sectors` splits into, from the front.
    frontier: Vec<SubtreeNode>,
    /// By height: index and root of the nodes since `kept_from` that are not all zeros, by rising index.
    levels: Vec<Vec<(u64, Hash)>>,
    submitted: Vec<Submitted>,
    /// Below this sector only the frontier of the time is known.
    kept_from: u64,
}

impl Default for FlowTree {
    fn default() -> Self {
        Self::new()
    }
}

impl FlowTree {
    /// The flow before its first submission: the sentinel alone.
    pub fn new() -> Self {
        Self::from_frontier(1, vec![SubtreeNode { root: SENTINEL, height: 0 }])
    }

    fn from_frontier(sectors: u64, frontier: Vec<SubtreeNode>) -> Self {
        let mut flow = Self { sectors, frontier: Vec::new(), levels: vec![Vec::new(); HEIGHTS], submitted: Vec::new(), kept_from: sectors };
        let mut start = 0u64;
        for node in &frontier {
            flow.keep(start >> node.height, *node);
            start += 1 << node.height;
        }
        flow.frontier = frontier;
        flow
    }

    /// Sectors so far, with the gaps between submissions: where the next one may begin.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// Put the subtrees of one submission one after another from sector `start` on; what is skipped is zero. Nothing changes if one of
    /// them does not fit.
    pub fn append(&mut self, start: u64, nodes: &[SubtreeNode]) -> Result<(), FlowError> {
        if start < self.sectors {
            return Err(FlowError::Behind { start, sectors: self.sectors });
        }
        let mut sector = start;
        for SubtreeNode { height, .. } in nodes {
            let unplaced = FlowError::Unplaced { sector, height: *height };
            let end = 1u64.checked_shl(*height).filter(|size| sector.is_multiple_of(*size)).and_then(|size| sector.checked_add(size));
            sector = end.filter(|end| *end <= SECTORS_MAX).ok_or(unplaced)?;
        }
        self.fill_to(start);
        for node in nodes {
            self.submitted.push(Submitted { start: self.sectors, height: node.height });
            self.push(*node);
        }
        Ok(())
    }

    /// Zeros up to sector `start`.
    fn fill_to(&mut self, start: u64) {
        while self.sectors < start {
            let height = self.sectors.trailing_zeros().min((start - self.sectors).ilog2());
            self.push(SubtreeNode { root: zero_root(height), height });
        }
    }

    /// The next subtree, whose height divides its place; then parents, as far as they are complete.
    fn push(&mut self, mut node: SubtreeNode) {
        self.keep(self.sectors >> node.height, node);
        self.sectors += 1 << node.height;
        while let Some(left) = self.frontier.pop_if(|left| left.height == node.height) {
            node = SubtreeNode { root: parent(&left.root, &node.root), height: node.height + 1 };
            self.keep((self.sectors - 1) >> node.height, node);
        }
        self.frontier.push(node);
    }

    fn keep(&mut self, index: u64, node: SubtreeNode) {
        if node.root != zero_root(node.height) || index << node.height < self.kept_from {
            self.levels[node.height as usize].push((index, node.root));
        }
    }

    /// Height of the tree: it is perfect, and the missing leaves are zero sectors.
    pub fn height(&self) -> u32 {
        height_of(self.sectors)
    }

    pub fn root(&self) -> Hash {
        let mut left = self.frontier.iter().rev().peekable();
        let Some(SubtreeNode { mut root, height }) = left.next().copied() else { return SENTINEL };
        for height in height..self.height() {
            root = match left.next_if(|node| node.height == height) {
                Some(node) => parent(&node.root, &root),
                None => parent(&root, &zero_root(height)),
            };
        }
        root
    }

    /// Root as it was when the flow had `sectors`.
    pub fn root_at(&self, sectors: u64) -> Result<Hash, FlowError> {
        if sectors != self.sectors && sectors != self.kept_from && !self.submitted_to(sectors) {
            return Err(FlowError::NoLength(sectors));
        }
        self.node(height_of(sectors), 0, sectors)
    }

    /// How many sectors the flow had when `root` was its root, if that was so after one of the `newest` subtrees submitted.
    pub fn sectors_of_root(&self, root: &Hash, newest: usize) -> Option<u64> {
        if *root == self.root() {
            return Some(self.sectors);
        }
        let mut ends = self.submitted.iter().rev().take(newest).map(|submitted| submitted.end());
        ends.find(|sectors| self.root_at(*sectors).as_ref() == Ok(root))
    }

    /// From a sector to the root that the flow had when its length was `sectors`. Where the sector lies in a submission of some height,
    /// `inside` is its leaf and the siblings up to the submission's node, from the bottom; elsewhere, and for a height of zero, it may be
    /// empty.
    pub fn proof(&self, sector: u64, inside: &[Hash], sectors: u64) -> Result<MerkleProof, FlowError> {
        let root = self.root_at(sectors)?;
        if sector >> height_of(sectors) != 0 {
            return Err(FlowError::NoSector(sector));
        }
        let submitted = self.submission_of(sector).filter(|submitted| submitted.end() <= sectors);
        let lowest = submitted.map_or(0, |submitted| submitted.height);
        let node = self.node(lowest, sector >> lowest, sectors)?;
        let path: Vec<bool> = (0..height_of(sectors)).map(|height| (sector >> height) & 1 == 0).collect();
        let mut lemma = if lowest == 0 && inside.is_empty() { vec![node] } else { inside.to_vec() };
        let leads_to_node = |leaf, siblings| lead(leaf, siblings, &path[..lowest as usize]) == node;
        if lemma.len() != lowest as usize + 1 || !leads_to_node(lemma[0], &lemma[1..]) {
            return Err(FlowError::Inside { sector, height: lowest });
        }
        for height in lowest..height_of(sectors) {
            lemma.push(self.node(height, (sector >> height) ^ 1, sectors)?);
        }
        if !path.is_empty() {
            lemma.push(root);
        }
        Ok(MerkleProof { lemma, path })
    }

    /// Whether a submitted subtree ended where the flow has `sectors`.
    fn submitted_to(&self, sectors: u64) -> bool {
        let before = self.submitted.partition_point(|submitted| submitted.end() < sectors);
        self.submitted.get(before).is_some_and(|submitted| submitted.end() == sectors)
    }

    /// The submission that `sector` lies in.
    fn submission_of(&self, sector: u64) -> Option<Submitted> {
        let after = self.submitted.partition_point(|submitted| submitted.start <= sector);
        after.checked_sub(1).map(|index| self.submitted[index]).filter(|submitted| sector < submitted.end())
    }

    /// Root of a perfect subtree that does not lie within a submission, when the flow had `sectors`.
    fn node(&self, height: u32, index: u64, sectors: u64) -> Result<Hash, FlowError> {
        let start = index << height;
        if start >= sectors {
            return Ok(zero_root(height));
        }
        if sectors - start < 1 << height {
            return Ok(parent(&self.node(height - 1, index * 2, sectors)?, &self.node(height - 1, index * 2 + 1, sectors)?));
        }
        match self.kept(height, index) {
            Some(root) => Ok(root),
            None if start < self.kept_from => Err(FlowError::NotKept(start)),
            None => Ok(zero_root(height)),
        }
    }

    fn kept(&self, height: u32, index: u64) -> Option<Hash> {
        let level = &self.levels[height as usize];
        level.binary_search_by_key(&index, |(index, _)| *index).ok().map(|place| level[place].1)
    }

    /// All that is needed to go on from here: the length (8 bytes, little-endian) and the frontier's roots from the front.
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut bytes = self.sectors.to_le_bytes().to_vec();
        bytes.extend(self.frontier.iter().flat_map(|node| node.root));
        bytes
    }

    /// The flow at a checkpoint. It proves what is submitted from then on.
    pub fn from_checkpoint(bytes: &[u8]) -> Result<Self, FlowError> {
        let (sectors, frontier) = read_checkpoint(bytes)?;
        Ok(Self::from_frontier(sectors, frontier))
    }

    /// Back to a checkpoint of this flow, as if what came after had never been submitted.
    pub fn unwind(&mut self, checkpoint: &[u8]) -> Result<(), FlowError> {
        let (sectors, frontier) = read_checkpoint(checkpoint)?;
        if sectors > self.sectors {
            return Err(FlowError::ForeignCheckpoint(sectors));
        }
        if sectors < self.kept_from {
            *self = Self::from_frontier(sectors, frontier);
            return Ok(());
        }
        let mut start = 0u64;
        for node in &frontier {
            if self.node(node.height, start >> node.height, sectors) != Ok(node.root) {
                return Err(FlowError::ForeignCheckpoint(sectors));
            }
            start += 1 << node.height;
        }
        for (height, level) in self.levels.iter_mut().enumerate() {
            level.truncate(level.partition_point(|(index, _)| (index + 1) << height <= sectors));
        }
        self.submitted.truncate(self.submitted.partition_point(|submitted| submitted.end() <= sectors));
        (self.sectors, self.frontier) = (sectors, frontier);
        Ok(())
    }
}

/// Height of the tree over so many sectors.
fn height_of(sectors: u64) -> u32 {
    u64::BITS - (sectors - 1).leading_zeros()
}

fn read_checkpoint(bytes: &[u8]) -> Result<(u64, Vec<SubtreeNode>), FlowError> {
    let form = FlowError::CheckpointForm(bytes.len());
    let (sectors, roots) = bytes.split_first_chunk().ok_or(form)?;
    let sectors = u64::from_le_bytes(*sectors);
    let (roots, rest) = roots.as_chunks();
    if !(1..=SECTORS_MAX).contains(&sectors) || !rest.is_empty() || roots.len() != sectors.count_ones() as usize {
        return Err(form);
    }
    let frontier = subtree_heights(sectors).zip(roots).map(|(height, root)| SubtreeNode { root: *root, height }).collect();
    Ok((sectors, frontier))
}
