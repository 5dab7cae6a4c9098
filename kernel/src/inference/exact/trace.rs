//! The commitment to an answer's logits: a Merkle tree over the digests of each token's.

use alloy_primitives::keccak256;

const LEAF: u8 = 0;
const NODE: u8 = 1;
const ROOT: u8 = 2;

/// Root over the leaves in the order of the tokens: a leaf is keccak256(00, digest), a node keccak256(01, left, right), an odd last node of a
/// level moves up as it is, and the root names the number of leaves: keccak256(02, count as eight bytes, big end first, node). `None` without leaves.
pub fn trace_root(digests: &[[u8; 32]]) -> Option<[u8; 32]> {
    let mut level: Vec<[u8; 32]> = digests.iter().map(|digest| hashed(&[&[LEAF], digest])).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hashed(&[&[NODE], left, right]),
                odd => odd[0],
            })
            .collect();
    }
    level.first().map(|node| hashed(&[&[ROOT], &(digests.len() as u64).to_be_bytes(), node]))
}

fn hashed(parts: &[&[u8]]) -> [u8; 32] {
    keccak256(parts.concat()).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_leaves_by_hand() {
        let [a, b, c] = [[1; 32], [2; 32], [3; 32]];
        let [left, middle, right] = [a, b, c].map(|digest| hashed(&[&[0], &digest]));
        let top = hashed(&[&[1], &hashed(&[&[1], &left, &middle]), &right]);
        assert_eq!(trace_root(&[a, b, c]), Some(hashed(&[&[2], &[0, 0, 0, 0, 0, 0, 0, 3], &top])));
        assert_eq!(trace_root(&[]), None);
    }
}
