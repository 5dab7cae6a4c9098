//! Keccak-256 of many messages of one length, as many at once as a register of this processor holds.

use alloy_primitives::keccak256;
use blake2::{Blake2b512, Digest as _};

use super::blake2b;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// What Keccak-256 gives.
pub type Digest = [u8; 32];

/// What BLAKE2b-512 gives.
pub type WideDigest = [u8; blake2b::DIGEST_BYTES];

/// Messages are this long, or a whole multiple of it.
pub const BLOCK_BYTES: usize = 64;

/// More lanes than any way has.
const LANES_MAX: usize = 8;

/// A way to hash that this processor can take: there is no other way to get one than to ask for those that exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashPath(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl HashPath {
    /// Every way that works on this processor, the fastest first.
    pub fn available() -> Vec<Self> {
        let mut paths = vec![Self(Kind::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                paths.insert(0, Self(Kind::Avx2));
            }
            if is_x86_feature_detected!("avx512f") {
                paths.insert(0, Self(Kind::Avx512));
            }
        }
        paths
    }

    /// The fastest.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self(Kind::Avx512);
            }
            if is_x86_feature_detected!("avx2") {
                return Self(Kind::Avx2);
            }
        }
        Self(Kind::Portable)
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "AVX2",
            Kind::Portable => "portable",
        }
    }

    /// How many messages are hashed at once.
    pub fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => avx2::LANES,
            Kind::Portable => 1,
        }
    }

    /// Keccak-256 of each of the messages of `BLOCKS` × 64 bytes that lie one after another in `messages`.
    ///
    /// # Panics
    /// If `digests` has another number of places than there are messages.
    pub fn hash_each<const BLOCKS: usize>(self, messages: &[u8], digests: &mut [Digest]) {
        let message_bytes = BLOCKS * BLOCK_BYTES;
        assert_eq!(messages.len(), digests.len() * message_bytes, "a digest a message");
        let lanes = self.lanes();
        let mut groups = messages.chunks_exact(lanes * message_bytes);
        let mut places = digests.chunks_exact_mut(lanes);
        for (group, places) in (&mut groups).zip(&mut places) {
            self.hash_group::<BLOCKS>(group, places);
        }
        self.hash_rest::<BLOCKS>(groups.remainder(), places.into_remainder());
    }

    /// Fewer messages than lanes. A pass costs the same however many lanes are used, and already with two it is the cheaper way.
    fn hash_rest<const BLOCKS: usize>(self, messages: &[u8], digests: &mut [Digest]) {
        if let [digest] = digests {
            *digest = keccak256(messages).0;
        } else if !digests.is_empty() {
            let lanes = self.lanes();
            let mut group = [[[0; BLOCK_BYTES]; BLOCKS]; LANES_MAX];
            let group = group.as_flattened_mut().as_flattened_mut();
            group[..messages.len()].copy_from_slice(messages);
            let mut places = [[0; 32]; LANES_MAX];
            self.hash_group::<BLOCKS>(&group[..lanes * BLOCKS * BLOCK_BYTES], &mut places[..lanes]);
            digests.copy_from_slice(&places[..digests.len()]);
        }
    }

    /// Exactly as many messages as there are lanes.
    #[inline]
    fn hash_group<const BLOCKS: usize>(self, messages: &[u8], digests: &mut [Digest]) {
        match self.0 {
            // SAFETY: such a `HashPath` exists only where the processor said that it has AVX-512F.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::hash_eight::<BLOCKS>(messages, digests) },
            // SAFETY: likewise AVX2.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::hash_four::<BLOCKS>(messages, digests) },
            Kind::Portable => digests[0] = keccak256(messages).0,
        }
    }

    /// Keccak-256 of each of the messages of 32 bytes.
    ///
    /// # Panics
    /// If `digests` has another number of places than there are messages.
    pub fn hash_digests(self, messages: &[Digest], digests: &mut [Digest]) {
        assert_eq!(messages.len(), digests.len(), "a digest a message");
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => in_groups(messages, digests, |messages, digests| {
                // SAFETY: such a `HashPath` exists only where the processor said that it has AVX-512F.
                unsafe { avx512::hash_eight_digests(messages, digests) }
            }),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => in_groups(messages, digests, |messages, digests| {
                // SAFETY: likewise AVX2.
                unsafe { avx2::hash_four_digests(messages, digests) }
            }),
            Kind::Portable => {
                for (message, digest) in messages.iter().zip(digests) {
                    *digest = keccak256(message).0;
                }
            }
        }
    }

    /// BLAKE2b-512 of each of the messages of `BLOCKS` × 128 bytes that lie one after another in `messages`.
    ///
    /// # Panics
    /// If `digests` has another number of places than there are messages.
    pub fn blake2b_each<const BLOCKS: usize>(self, messages: &[u8], digests: &mut [WideDigest]) {
        let message_bytes = BLOCKS * blake2b::BLOCK_BYTES;
        assert_eq!(messages.len(), digests.len() * message_bytes, "a digest a message");
        let lanes = self.lanes();
        let mut groups = messages.chunks_exact(lanes * message_bytes);
        let mut places = digests.chunks_exact_mut(lanes);
        for (group, places) in (&mut groups).zip(&mut places) {
            match self.0 {
                // SAFETY: as in `hash_group`.
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512 => unsafe { avx512::blake2b_eight::<BLOCKS>(group, places) },
                // SAFETY: likewise.
                #[cfg(target_arch = "x86_64")]
                Kind::Avx2 => unsafe { avx2::blake2b_four::<BLOCKS>(group, places) },
                Kind::Portable => places[0] = Blake2b512::digest(group).into(),
            }
        }
        for (message, place) in groups.remainder().chunks_exact(message_bytes).zip(places.into_remainder()) {
            *place = Blake2b512::digest(message).into();
        }
    }
}

/// Hash `LANES` messages at a time; the last ones, if they are fewer, one by one.
#[cfg(target_arch = "x86_64")]
fn in_groups<const LANES: usize>(messages: &[Digest], digests: &mut [Digest], hash: impl Fn(&[Digest; LANES], &mut [Digest; LANES])) {
    let (groups, rest) = messages.as_chunks::<LANES>();
    let (places, places_of_rest) = digests.as_chunks_mut::<LANES>();
    for (group, places) in groups.iter().zip(places) {
        hash(group, places);
    }
    for (message, place) in rest.iter().zip(places_of_rest) {
        *place = keccak256(message).0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one_by_one(message_bytes: usize, messages: &[u8]) -> Vec<Digest> {
        messages.chunks_exact(message_bytes).map(|message| keccak256(message).0).collect()
    }

    fn hash_each<const BLOCKS: usize>(path: HashPath, messages: &[u8]) -> Vec<Digest> {
        let mut digests = vec![[0; 32]; messages.len() / (BLOCKS * BLOCK_BYTES)];
        path.hash_each::<BLOCKS>(messages, &mut digests);
        digests
    }

    /// Every way that this processor has, for messages of `BLOCKS` × 64 bytes.
    fn assert_all_paths_agree<const BLOCKS: usize>(bytes: &[u8]) {
        let message_bytes = BLOCKS * BLOCK_BYTES;
        let messages = &bytes[..bytes.len() / message_bytes * message_bytes];
        for path in HashPath::available() {
            assert_eq!(hash_each::<BLOCKS>(path, messages), one_by_one(message_bytes, messages), "{} with {BLOCKS} blocks", path.name());
        }
    }

    #[test]
    fn the_best_is_the_first_of_the_available() {
        assert_eq!(HashPath::available().first(), Some(&HashPath::best()));
    }

    #[test]
    fn every_number_of_messages_fills_the_lanes_right() {
        let bytes: Vec<u8> = (0..40 * 256u32).map(|index| (index % 251) as u8).collect();
        for count in 0..=40 {
            assert_all_paths_agree::<4>(&bytes[..count * 256]);
            assert_all_paths_agree::<1>(&bytes[..count * 64]);
        }
    }

    fn assert_all_paths_agree_on_blake2b<const BLOCKS: usize>(bytes: &[u8]) {
        let message_bytes = BLOCKS * blake2b::BLOCK_BYTES;
        let (messages, _) = bytes.split_at(bytes.len() / message_bytes * message_bytes);
        let expected: Vec<WideDigest> = messages.chunks_exact(message_bytes).map(|message| Blake2b512::digest(message).into()).collect();
        for path in HashPath::available() {
            let mut digests = vec![[0; 64]; expected.len()];
            path.blake2b_each::<BLOCKS>(messages, &mut digests);
            assert_eq!(digests, expected, "{} with {BLOCKS} blocks", path.name());
        }
    }

    #[test]
    #[should_panic(expected = "a digest a message")]
    fn a_wrong_number_of_places_is_a_mistake_of_the_caller() {
        HashPath::best().hash_each::<1>(&[0; 128], &mut [[0; 32]]);
    }

    proptest! {
        #[test]
        fn all_paths_are_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..12_000)) {
            assert_all_paths_agree::<1>(&bytes);
            assert_all_paths_agree::<2>(&bytes);
            assert_all_paths_agree::<3>(&bytes);
            assert_all_paths_agree::<4>(&bytes);
            assert_all_paths_agree::<17>(&bytes);
        }

        #[test]
        fn all_paths_hash_digests_the_same(digests in proptest::collection::vec(any::<Digest>(), 0..40)) {
            for path in HashPath::available() {
                let mut hashes = vec![[0; 32]; digests.len()];
                path.hash_digests(&digests, &mut hashes);
                prop_assert_eq!(&hashes, &one_by_one(32, digests.as_flattened()), "{}", path.name());
            }
        }

        #[test]
        fn all_paths_are_the_same_in_blake2b(bytes in proptest::collection::vec(any::<u8>(), 0..24_000)) {
            assert_all_paths_agree_on_blake2b::<1>(&bytes);
            assert_all_paths_agree_on_blake2b::<2>(&bytes);
            assert_all_paths_agree_on_blake2b::<5>(&bytes);
        }
    }
}
