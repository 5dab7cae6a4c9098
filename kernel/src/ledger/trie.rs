//! Incremental Merkle-Patricia trie over keys of 32 bytes: shared nodes, cached references, nodes loaded when they are needed.
//!
//! A trie that nobody else holds is changed in place; a clone costs nothing, and changing it copies the paths it touches. Nodes are
//! stored by their path, so the store holds those of one state only.
use super::error::{LedgerError, Result};
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};
use rayon::prelude::*;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

mod prove;
pub use prove::Proof;

/// Where nodes come from that are not in memory.
pub trait NodeSource: Sync {
    /// RLP of the node at `path`.
    fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>>;
}

/// A source without nodes, for tries that were built in memory.
pub struct NoNodes;
impl NodeSource for NoNodes {
    fn node(&self, _path: &Nibbles) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

#[derive(Clone, Debug, Default)]
enum Link {
    #[default]
    Empty,
    /// A node of the store, known by its hash.
    Stored(B256),
    Loaded(Arc<Node>),
}

#[derive(Clone, Debug)]
enum Kind {
    Leaf { path: Nibbles, value: Vec<u8> },
    Extension { path: Nibbles, child: Link },
    Branch(Box<[Link; 16]>),
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    /// Hash, or the RLP itself when it is shorter than a hash; unset until asked for.
    reference: OnceLock<RlpNode>,
    stored: AtomicBool,
}

impl Node {
    fn link(kind: Kind) -> Link {
        Link::Loaded(Arc::new(Self { kind, reference: OnceLock::new(), stored: AtomicBool::new(false) }))
    }

    fn reference(&self) -> RlpNode {
        self.reference.get_or_init(|| self.encode(&mut Vec::with_capacity(600))).clone()
    }

    fn encode(&self, buffer: &mut Vec<u8>) -> RlpNode {
        match &self.kind {
            Kind::Leaf { path, value } => LeafNodeRef::new(path, value).rlp(buffer),
            Kind::Extension { path, child } => {
                let child = child.reference();
                ExtensionNodeRef::new(path, &child).rlp(buffer)
            }
            Kind::Branch(children) => {
                let mut mask = TrieMask::default();
                let mut stack: [RlpNode; 16] = Default::default();
                let mut count = 0;
                for (nibble, child) in (0u8..).zip(children.iter()) {
                    if !matches!(child, Link::Empty) {
                        mask.set_bit(nibble);
                        stack[count] = child.reference();
                        count += 1;
                    }
                }
                BranchNodeRef::new(&stack[..count], mask).rlp(buffer)
            }
        }
    }
}

/// A copy is about to be changed: it is neither hashed nor stored.
impl Clone for Node {
    fn clone(&self) -> Self {
        Self { kind: self.kind.clone(), reference: OnceLock::new(), stored: AtomicBool::new(false) }
    }
}

/// The node behind a link for changing: copied if others hold it, its cached facts forgotten.
fn change(node: &mut Arc<Node>) -> &mut Kind {
    let node = Arc::make_mut(node);
    node.reference = OnceLock::new();
    *node.stored.get_mut() = false;
    &mut node.kind
}

impl Link {
    fn reference(&self) -> RlpNode {
        match self {
            Self::Empty => RlpNode::from_rlp(&[alloy_rlp::EMPTY_STRING_CODE]),
            Self::Stored(hash) => RlpNode::word_rlp(hash),
            Self::Loaded(node) => node.reference(),
        }
    }

    /// The node itself, read from `source` if it is not in memory; `None` for an empty link.
    fn load(self, at: &Nibbles, source: &dyn NodeSource) -> Result<Option<Arc<Node>>> {
        match self {
            Self::Empty => Ok(None),
            Self::Loaded(node) => Ok(Some(node)),
            Self::Stored(hash) => read_node(hash, at, source).map(Some),
        }
    }
}

fn read_node(hash: B256, at: &Nibbles, source: &dyn NodeSource) -> Result<Arc<Node>> {
    let rlp = source.node(at)?.filter(|rlp| keccak256(rlp) == hash).ok_or(LedgerError::Stale)?;
    let node = Arc::new(decode_node(&rlp)?);
    node.stored.store(true, Ordering::Relaxed);
    // The reference of a root can be its hash although its RLP is short: never cache it as such.
    if rlp.len() >= 32 {
        let _ = node.reference.set(RlpNode::word_rlp(&hash));
    }
    Ok(node)
}

fn decode_node(mut rlp: &[u8]) -> Result<Node> {
    let node = TrieNode::decode(&mut rlp).map_err(|error| LedgerError::Corrupt(format!("a trie node cannot be decoded: {error}")))?;
    let kind = match node {
        TrieNode::EmptyRoot => return Err(LedgerError::Corrupt("an empty trie node is stored".into())),
        TrieNode::Leaf(leaf) => Kind::Leaf { path: leaf.key, value: leaf.value },
        TrieNode::Extension(extension) => Kind::Extension { path: extension.key, child: decode_link(&extension.child)? },
        TrieNode::Branch(branch) => {
            let mut children: [Link; 16] = Default::default();
            let mut references = branch.stack.iter();
            for (nibble, child) in (0u8..).zip(children.iter_mut()) {
                if branch.state_mask.is_bit_set(nibble) {
                    let reference = references.next().ok_or_else(|| LedgerError::Corrupt("a branch lacks a child".into()))?;
                    *child = decode_link(reference)?;
                }
            }
            Kind::Branch(Box::new(children))
        }
    };
    Ok(Node { kind, reference: OnceLock::new(), stored: AtomicBool::new(false) })
}

fn decode_link(reference: &RlpNode) -> Result<Link> {
    if let Some(hash) = reference.as_hash() {
        return Ok(Link::Stored(hash));
    }
    let node = decode_node(reference.as_slice())?;
    node.stored.store(true, Ordering::Relaxed);
    Ok(Link::Loaded(Arc::new(node)))
}

fn leaf(path: Nibbles, value: Vec<u8>) -> Link {
    Node::link(Kind::Leaf { path, value })
}

/// Put `path` in front of a node that is in memory.
fn prefixed(path: Nibbles, mut node: Arc<Node>) -> Link {
    if path.is_empty() {
        return Link::Loaded(node);
    }
    if matches!(node.kind, Kind::Branch(_)) {
        return Node::link(Kind::Extension { path, child: Link::Loaded(node) });
    }
    match change(&mut node) {
        Kind::Leaf { path: old, .. } | Kind::Extension { path: old, .. } => *old = path.join(old),
        Kind::Branch(_) => {}
    }
    Link::Loaded(node)
}

/// Two nodes whose paths part after `common` nibbles become the children of a branch.
fn fork(common: Nibbles, first: (u8, Link), second: (u8, Link)) -> Link {
    let mut children: [Link; 16] = Default::default();
    children[first.0 as usize] = first.1;
    children[second.0 as usize] = second.1;
    let branch = Kind::Branch(Box::new(children));
    if common.is_empty() { Node::link(branch) } else { Node::link(Kind::Extension { path: common, child: Node::link(branch) }) }
}

/// One change under way: the whole key, and where missing nodes come from.
struct Walk<'a> {
    key: Nibbles,
    source: &'a dyn NodeSource,
}

impl Walk<'_> {
    fn insert(&self, link: Link, depth: usize, value: Vec<u8>) -> Result<Link> {
        let key = self.key.slice(depth..);
        let Some(mut node) = link.load(&self.key.slice(..depth), self.source)? else { return Ok(leaf(key, value)) };
        match &node.kind {
            Kind::Leaf { path, value: old } => {
                let common = path.common_prefix_length(&key);
                if common == key.len() {
                    if *old != value
                        && let Kind::Leaf { value: old, .. } = change(&mut node)
                    {
                        *old = value;
                    }
                    return Ok(Link::Loaded(node));
                }
                let moved = leaf(path.slice(common + 1..), old.clone());
                let added = leaf(key.slice(common + 1..), value);
                Ok(fork(key.slice(..common), (path.get_unchecked(common), moved), (key.get_unchecked(common), added)))
            }
            Kind::Extension { path, child } => {
                let common = path.common_prefix_length(&key);
                if common == path.len() {
                    if let Kind::Extension { path, child } = change(&mut node) {
                        *child = self.insert(std::mem::take(child), depth + path.len(), value)?;
                    }
                    return Ok(Link::Loaded(node));
                }
                let rest = path.slice(common + 1..);
                let moved = if rest.is_empty() { child.clone() } else { Node::link(Kind::Extension { path: rest, child: child.clone() }) };
                let added = leaf(key.slice(common + 1..), value);
                Ok(fork(key.slice(..common), (path.get_unchecked(common), moved), (key.get_unchecked(common), added)))
            }
            Kind::Branch(_) => {
                if let Kind::Branch(children) = change(&mut node) {
                    let child = &mut children[key.get_unchecked(0) as usize];
                    *child = self.insert(std::mem::take(child), depth + 1, value)?;
                }
                Ok(Link::Loaded(node))
            }
        }
    }

    fn remove(&self, link: Link, depth: usize) -> Result<Link> {
        let key = self.key.slice(depth..);
        let Some(mut node) = link.load(&self.key.slice(..depth), self.source)? else { return Ok(Link::Empty) };
        match &node.kind {
            Kind::Leaf { path, .. } => Ok(if *path == key { Link::Empty } else { Link::Loaded(node) }),
            Kind::Extension { path, .. } if !key.starts_with(path) => Ok(Link::Loaded(node)),
            Kind::Extension { path, .. } => {
                let (path, below) = (*path, depth + path.len());
                let Kind::Extension { child, .. } = change(&mut node) else { return Ok(Link::Loaded(node)) };
                match self.remove(std::mem::take(child), below)? {
                    Link::Loaded(child) => Ok(prefixed(path, child)),
                    // A branch below an extension has at least two children, so something is left, and it is in memory.
                    other => Ok(other),
                }
            }
            Kind::Branch(_) => {
                let Kind::Branch(children) = change(&mut node) else { return Ok(Link::Loaded(node)) };
                let index = key.get_unchecked(0) as usize;
                children[index] = self.remove(std::mem::take(&mut children[index]), depth + 1)?;
                match only_child(children) {
                    Some(nibble) => {
                        let only = std::mem::take(&mut children[nibble as usize]);
                        self.lift(only, nibble, depth)
                    }
                    None => Ok(Link::Loaded(node)),
                }
            }
        }
    }

    /// The last child of a branch at `depth` takes its place.
    fn lift(&self, only: Link, nibble: u8, depth: usize) -> Result<Link> {
        let mut at = self.key.slice(..depth);
        at.push(nibble);
        let only = only.load(&at, self.source)?;
        Ok(only.map_or(Link::Empty, |only| prefixed(Nibbles::from_nibbles([nibble]), only)))
    }

    fn set(&self, link: Link, depth: usize, value: Option<Vec<u8>>) -> Result<Link> {
        match value {
            Some(value) => self.insert(link, depth, value),
            None => self.remove(link, depth),
        }
    }
}

/// The nibble of a branch's child when it has no other.
fn only_child(children: &[Link; 16]) -> Option<u8> {
    let mut left = (0u8..16).filter(|nibble| !matches!(children[*nibble as usize], Link::Empty));
    match (left.next(), left.next()) {
        (Some(nibble), None) => Some(nibble),
        _ => None,
    }
}

/// Where a node lies, and its RLP.
pub type StoredNode = (Nibbles, Vec<u8>);

#[derive(Clone, Debug, Default)]
pub struct Trie {
    root: Link,
    /// Keys changed since nodes were last let go of; bounds what a trie holds in memory.
    changed: usize,
}

impl Trie {
    /// The trie with this root, whose nodes are read when they are needed.
    pub fn stored(root: B256) -> Self {
        Self { root: if root == EMPTY_ROOT_HASH { Link::Empty } else { Link::Stored(root) }, changed: 0 }
    }

    /// Set `key` to `value`, or remove it when there is none. On an error the trie is unusable: work on a clone.
    pub fn set(&mut self, key: B256, value: Option<Vec<u8>>, source: &dyn NodeSource) -> Result<()> {
        let walk = Walk { key: Nibbles::unpack(key), source };
        self.root = walk.set(std::mem::take(&mut self.root), 0, value)?;
        self.changed += 1;
        Ok(())
    }

    /// Set or remove many keys; with `parallel` the sub-tries below the root are changed and hashed on the current thread pool.
    pub fn set_many(&mut self, leaves: Vec<(B256, Option<Vec<u8>>)>, parallel: bool, source: &dyn NodeSource) -> Result<()> {
        let root = std::mem::take(&mut self.root).load(&Nibbles::default(), source)?;
        let (mut root, leaves) = match root {
            Some(root) if parallel && matches!(root.kind, Kind::Branch(_)) => (root, leaves),
            root => {
                self.root = root.map_or(Link::Empty, Link::Loaded);
                return leaves.into_iter().try_for_each(|(key, value)| self.set(key, value, source));
            }
        };
        self.changed += leaves.len();
        let mut by_nibble: [Vec<(B256, Option<Vec<u8>>)>; 16] = Default::default();
        for leaf in leaves {
            by_nibble[usize::from(leaf.0[0] >> 4)].push(leaf);
        }
        if let Kind::Branch(children) = change(&mut root) {
            children.par_iter_mut().zip(by_nibble).try_for_each(|(child, mut leaves)| -> Result<()> {
                // In order, neighbours find the path to them in the processor's cache. The last value of a key stays the last.
                leaves.sort_by_key(|(key, _)| *key);
                for (key, value) in leaves {
                    *child = Walk { key: Nibbles::unpack(key), source }.set(std::mem::take(child), 1, value)?;
                }
                child.reference();
                Ok(())
            })?;
            match only_child(children) {
                Some(nibble) => {
                    let walk = Walk { key: Nibbles::from_nibbles([nibble]), source };
                    self.root = walk.lift(std::mem::take(&mut children[nibble as usize]), nibble, 0)?;
                }
                None if children.iter().all(|child| matches!(child, Link::Empty)) => {}
                None => self.root = Link::Loaded(root),
            }
        }
        Ok(())
    }

    /// Root hash; with `parallel` the sixteen sub-tries below the root are hashed on the current thread pool.
    pub fn root(&self, parallel: bool) -> B256 {
        let node = match &self.root {
            Link::Empty => return EMPTY_ROOT_HASH,
            Link::Stored(hash) => return *hash,
            Link::Loaded(node) => node,
        };
        if parallel && let Kind::Branch(children) = &node.kind {
            children.par_iter().for_each(|child| {
                child.reference();
            });
        }
        let reference = node.reference();
        // A root shorter than a hash is hashed all the same.
        reference.as_hash().unwrap_or_else(|| keccak256(reference.as_slice()))
    }

    /// Nodes that the store lacks, marked as stored from now on.
    pub fn take_unstored(&self) -> Vec<StoredNode> {
        let mut nodes = Vec::new();
        take_unstored(&self.root, Nibbles::default(), true, &mut nodes);
        nodes
    }

    /// Whether the store holds every node, or will once what was taken is written.
    pub fn is_stored(&self) -> bool {
        match &self.root {
            Link::Loaded(node) => node.stored.load(Ordering::Relaxed),
            _ => true,
        }
    }

    /// Keys changed since nodes were last let go of.
    pub fn changed(&self) -> usize {
        self.changed
    }

    /// Let go of stored nodes more than `depth` levels down.
    pub fn forget_below(&mut self, depth: usize) {
        forget_below(&mut self.root, depth);
        self.changed = 0;
    }
}

fn take_unstored(link: &Link, at: Nibbles, is_root: bool, nodes: &mut Vec<StoredNode>) {
    let Link::Loaded(node) = link else { return };
    if node.stored.swap(true, Ordering::Relaxed) {
        return; // What hangs below a stored node is stored too.
    }
    let mut rlp = Vec::with_capacity(128);
    node.encode(&mut rlp);
    match &node.kind {
        Kind::Leaf { .. } => {}
        Kind::Extension { path, child } => take_unstored(child, at.join(path), false, nodes),
        Kind::Branch(children) => {
            for (nibble, child) in (0u8..).zip(children.iter()) {
                let mut below = at;
                below.push(nibble);
                take_unstored(child, below, false, nodes);
            }
        }
    }
    if is_root || rlp.len() >= 32 {
        nodes.push((at, rlp));
    }
}

fn forget_below(link: &mut Link, depth: usize) {
    let Link::Loaded(node) = link else { return };
    let reference = node.reference();
    if depth == 0 {
        if node.stored.load(Ordering::Relaxed)
            && let Some(hash) = reference.as_hash()
        {
            *link = Link::Stored(hash);
        }
        return;
    }
    // The content stays the same, so what is known of the node stays true.
    let stored = node.stored.load(Ordering::Relaxed);
    let owned = Arc::make_mut(node);
    let _ = owned.reference.set(reference);
    *owned.stored.get_mut() = stored;
    match &mut owned.kind {
        Kind::Leaf { .. } => {}
        Kind::Extension { child, .. } => forget_below(child, depth - 1),
        Kind::Branch(children) => children.iter_mut().for_each(|child| forget_below(child, depth - 1)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_trie::HashBuilder;
    use proptest::prelude::*;
    use std::{collections::BTreeMap, sync::Mutex};

    /// Nodes by path, as the tables keep them: a newer node replaces the older one at its path.
    #[derive(Default)]
    struct Shelf(Mutex<BTreeMap<Nibbles, Vec<u8>>>);

    impl Shelf {
        fn keep(&self, trie: &Trie) {
            self.0.lock().unwrap().extend(trie.take_unstored());
        }
    }

    impl NodeSource for Shelf {
        fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>> {
            Ok(self.0.lock().unwrap().get(path).cloned())
        }
    }

    /// The root by an implementation of others, over all leaves.
    fn expected_root(leaves: &BTreeMap<B256, Vec<u8>>) -> B256 {
        let mut builder = HashBuilder::default();
        for (key, value) in leaves {
            builder.add_leaf(Nibbles::unpack(key), value);
        }
        builder.root()
    }

    /// Keys that share long prefixes, so that extensions and collapses occur.
    fn key() -> impl Strategy<Value = B256> {
        (0u8..3, 0u8..4, 0u8..40).prop_map(|(first, place, last)| {
            let mut key = [0x11; 32];
            key[0] = first;
            key[[0, 1, 15, 31][place as usize]] = last;
            B256::new(key)
        })
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(B256, Vec<u8>),
        Remove(B256),
        /// Set many at once, or remove where there is no value.
        Many(Vec<(B256, Option<Vec<u8>>)>),
        Store,
        Forget(usize),
        Reopen,
        /// Change a clone and throw it away.
        Digress(B256, Vec<u8>),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Short values make nodes that are embedded in their parents.
        let value = prop::collection::vec(1u8.., 1..40);
        prop_oneof![
            8 => (key(), value.clone()).prop_map(|(key, value)| Step::Set(key, value)),
            6 => key().prop_map(Step::Remove),
            2 => prop::collection::vec((key(), prop::option::of(value.clone())), 0..150).prop_map(Step::Many),
            1 => Just(Step::Store),
            1 => (1usize..6).prop_map(Step::Forget),
            1 => Just(Step::Reopen),
            2 => (key(), value).prop_map(|(key, value)| Step::Digress(key, value)),
        ]
    }

    proptest! {
        #[test]
        fn the_root_is_that_of_the_leaves_whatever_is_stored_forgotten_or_tried(steps in prop::collection::vec(step(), 1..120)) {
            let (shelf, mut trie, mut leaves) = (Shelf::default(), Trie::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Set(key, value) => {
                        trie.set(key, Some(value.clone()), &shelf).unwrap();
                        leaves.insert(key, value);
                    }
                    Step::Remove(key) => {
                        trie.set(key, None, &shelf).unwrap();
                        leaves.remove(&key);
                    }
                    Step::Many(entries) => {
                        trie.set_many(entries.clone(), true, &shelf).unwrap();
                        for (key, value) in entries {
                            match value {
                                Some(value) => leaves.insert(key, value),
                                None => leaves.remove(&key),
                            };
                        }
                    }
                    Step::Store => shelf.keep(&trie),
                    Step::Forget(depth) => {
                        shelf.keep(&trie);
                        trie.forget_below(depth);
                    }
                    Step::Reopen => {
                        shelf.keep(&trie);
                        trie = Trie::stored(trie.root(false));
                    }
                    Step::Digress(key, value) => {
                        let mut other = trie.clone();
                        other.set(key, Some(value), &shelf).unwrap();
                        other.root(true);
                    }
                }
                prop_assert_eq!(trie.root(false), expected_root(&leaves));
            }
        }
    }

    #[test]
    fn the_root_of_nothing_is_the_known_one() {
        assert_eq!(Trie::default().root(true), EMPTY_ROOT_HASH);
    }

    #[test]
    fn a_damaged_node_is_not_taken_for_the_right_one() {
        let (shelf, mut trie) = (Shelf::default(), Trie::default());
        for index in 0u8..50 {
            trie.set(keccak256([index]), Some(vec![index; 40]), &shelf).unwrap();
        }
        shelf.keep(&trie);
        let root = trie.root(false);
        shelf.0.lock().unwrap().values_mut().for_each(|rlp| rlp[3] ^= 1);
        assert!(matches!(Trie::stored(root).set(keccak256([1]), None, &shelf), Err(LedgerError::Stale)));
    }

    #[test]
    fn threads_do_not_change_the_root() {
        let mut trie = Trie::default();
        for index in 0u32..2_000 {
            trie.set(keccak256(index.to_be_bytes()), Some(index.to_be_bytes().to_vec()), &NoNodes).unwrap();
        }
        assert_eq!(trie.clone().root(true), trie.root(false));
    }
}
