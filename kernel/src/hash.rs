//! Keccak-256 of one or many byte strings, and BLAKE2b-512 of many.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blake2b;
mod lanes;
#[cfg(any(target_arch = "x86_64", test))]
mod rounds;

use alloy_primitives::B256;
use rayon::prelude::*;

pub use alloy_primitives::keccak256;
pub use blake2b::BLOCK_BYTES as BLAKE2B_BLOCK_BYTES;
pub use lanes::{BLOCK_BYTES, Digest, HashPath, WideDigest};

/// Below this many items a second thread costs more than it gives.
const PARALLEL_ITEMS_MIN: usize = 64;

/// Keccak-256 of each item, on all threads when there are many.
pub fn keccak256_many<T: AsRef<[u8]> + Sync>(items: &[T]) -> Vec<B256> {
    if items.len() < PARALLEL_ITEMS_MIN {
        return items.iter().map(keccak256).collect();
    }
    items.par_iter().with_min_len(PARALLEL_ITEMS_MIN / 2).map(keccak256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::b256;

    /// Source: Ethereum Yellow Paper, KEC(()), the hash of accounts without code.
    #[test]
    fn the_empty_string_has_the_hash_of_empty_code() {
        assert_eq!(keccak256(b""), b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"));
    }

    /// Source: Keccak team, KAT of "abc" for Keccak with 256 bits.
    #[test]
    fn abc_agrees_with_the_known_answer() {
        assert_eq!(keccak256(b"abc"), b256!("4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"));
    }

    #[test]
    fn many_are_the_same_as_one_by_one() {
        for count in [0, 1, PARALLEL_ITEMS_MIN - 1, PARALLEL_ITEMS_MIN, 1000] {
            let items: Vec<Vec<u8>> = (0..count).map(|index| vec![index as u8; index]).collect();
            assert_eq!(keccak256_many(&items), items.iter().map(keccak256).collect::<Vec<_>>());
        }
    }
}
