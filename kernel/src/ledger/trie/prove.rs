//! Merkle proofs: the nodes on the way to a key.
use super::{Kind, NodeSource, Result, Trie};
use alloy_primitives::B256;
use alloy_trie::Nibbles;

/// What shows that a key has a value, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub nodes: Vec<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

impl Trie {
    /// The nodes on the way to `key`, from the root down, as far as there are any, and the value there. Nodes that lie inside their
    /// parent are not listed.
    pub fn prove(&self, key: B256, source: &dyn NodeSource) -> Result<Proof> {
        let key = Nibbles::unpack(key);
        let mut proof = Proof::default();
        let mut next = self.root.clone().load(&Nibbles::default(), source)?;
        let mut depth = 0;
        while let Some(node) = next.take() {
            let mut rlp = Vec::with_capacity(600);
            node.encode(&mut rlp);
            if depth == 0 || rlp.len() >= 32 {
                proof.nodes.push(rlp);
            }
            let rest = key.slice(depth..);
            let child = match &node.kind {
                Kind::Leaf { path, value } => {
                    proof.value = (*path == rest).then(|| value.clone());
                    break;
                }
                Kind::Extension { path, child } if rest.starts_with(path) => {
                    depth += path.len();
                    child
                }
                Kind::Extension { .. } => break,
                Kind::Branch(children) => {
                    depth += 1;
                    &children[rest.get_unchecked(0) as usize]
                }
            };
            next = child.clone().load(&key.slice(..depth), source)?;
        }
        Ok(proof)
    }
}
