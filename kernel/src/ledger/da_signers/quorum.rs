//! Which signer keeps which rows of an epoch: every vote draws a ballot, and the ballots in their order fill the quorums.
//!
//! Source: 0glabs/0g-geth, core/vm/dasigners.go (MakeEpoch). That sorts all ballots; here only those are kept that can come to stand in a
//! quorum, so that memory is bounded by the quorums and not by the votes.
use alloy_primitives::{Address, B256, keccak256};
use parking_lot::Mutex;
use rayon::prelude::*;
use std::sync::Arc;

/// Rows of a blob, and so of a quorum.
pub const ROWS: usize = 3072;
/// Quorums of an epoch.
pub const QUORUMS_MAX: usize = 10;
/// Votes of a signer that count.
pub const VOTES_MAX: u64 = 102_400;
/// Ballots that are drawn for an epoch, by those who registered first: half the tokens there are in votes of 30, in some seconds.
const BALLOTS_MAX: u64 = 1 << 24;

/// A signer's entry into an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    pub account: Address,
    /// The hash of its signature, its first ballot.
    pub seed: B256,
    pub votes: u64,
}

pub type Quorum = Vec<Address>;

/// What the last set of registrations gave: an epoch that is tried again and again, by calls that end in a revert, is counted out once.
static LAST: Mutex<Option<(B256, Arc<Vec<Quorum>>)>> = Mutex::new(None);

/// The quorums of an epoch with these registrations, in their order.
pub fn quorums(registrations: &[Registration]) -> Arc<Vec<Quorum>> {
    let mut bytes = Vec::with_capacity(registrations.len() * 60);
    for registration in registrations {
        bytes.extend_from_slice(registration.account.as_slice());
        bytes.extend_from_slice(registration.seed.as_slice());
        bytes.extend_from_slice(&registration.votes.to_be_bytes());
    }
    let digest = keccak256(bytes);
    if let Some((last, quorums)) = &*LAST.lock()
        && *last == digest
    {
        return quorums.clone();
    }
    let quorums = Arc::new(draw(registrations, ROWS, QUORUMS_MAX, BALLOTS_MAX));
    *LAST.lock() = Some((digest, quorums.clone()));
    quorums
}

/// Draw at most `ballots_max` ballots, and fill at most `quorums_max` quorums of `rows` rows with them.
fn draw(registrations: &[Registration], rows: usize, quorums_max: usize, ballots_max: u64) -> Vec<Quorum> {
    let mut left = ballots_max;
    let counted: Vec<(u32, B256, u64)> = (0u32..)
        .zip(registrations)
        .map(|(index, registration)| {
            let votes = registration.votes.min(VOTES_MAX).min(left);
            left -= votes;
            (index, registration.seed, votes)
        })
        .collect();
    let count = (ballots_max - left) as usize;
    let ballots = counted
        .par_iter()
        .fold(|| Smallest::new(rows * quorums_max), Smallest::with_ballots_of)
        .reduce(|| Smallest::new(rows * quorums_max), Smallest::merged)
        .sorted();
    let accounts: Quorum = ballots.iter().map(|ballot| registrations[ballot.registration as usize].account).collect();
    fill(&accounts, count, rows, quorums_max)
}

/// Fill quorums with the signers of `count` sorted ballots, of which `accounts` are the first.
fn fill(accounts: &[Address], count: usize, rows: usize, quorums_max: usize) -> Vec<Quorum> {
    if count == 0 {
        return Vec::new();
    }
    if count < rows {
        return vec![(0..rows).map(|row| accounts[row % count]).collect()];
    }
    let mut quorums: Vec<Quorum> = accounts.chunks_exact(rows).take(quorums_max).map(<[Address]>::to_vec).collect();
    if !count.is_multiple_of(rows) && quorums.len() < quorums_max {
        quorums.push(accounts[count - rows..].to_vec());
    }
    quorums
}

/// A ballot, and whose it is. No two are the same, short of a collision of Keccak-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ballot {
    content: B256,
    registration: u32,
}

/// The smallest of all ballots that were added.
struct Smallest {
    most: usize,
    ballots: Vec<Ballot>,
    /// No ballot above it is among the smallest.
    bound: Option<Ballot>,
}

impl Smallest {
    fn new(most: usize) -> Self {
        Self { most, ballots: Vec::new(), bound: None }
    }

    fn with_ballots_of(mut self, (registration, seed, votes): &(u32, B256, u64)) -> Self {
        let mut content = *seed;
        for _ in 0..*votes {
            self.add(Ballot { content, registration: *registration });
            content = keccak256(content);
        }
        self
    }

    fn add(&mut self, ballot: Ballot) {
        if self.bound.is_some_and(|bound| ballot > bound) {
            return;
        }
        self.ballots.push(ballot);
        if self.ballots.len() >= 2 * self.most {
            self.drop_largest();
        }
    }

    fn drop_largest(&mut self) {
        if self.ballots.len() > self.most {
            let (_, last, _) = self.ballots.select_nth_unstable(self.most - 1);
            self.bound = Some(*last);
            self.ballots.truncate(self.most);
        }
    }

    fn merged(mut self, other: Self) -> Self {
        other.ballots.into_iter().for_each(|ballot| self.add(ballot));
        self
    }

    fn sorted(mut self) -> Vec<Ballot> {
        self.drop_largest();
        self.ballots.sort_unstable();
        self.ballots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn registration(index: u64, votes: u64) -> Registration {
        let name = keccak256(index.to_be_bytes());
        Registration { account: Address::from_word(name), seed: keccak256(name), votes }
    }

    /// Word for word: all ballots, sorted; full quorums; a last one of the last ballots, or one filled cyclically.
    fn model(registrations: &[Registration], rows: usize, quorums_max: usize) -> Vec<Quorum> {
        let mut ballots = Vec::new();
        for registration in registrations {
            let mut content = registration.seed;
            for _ in 0..registration.votes.min(VOTES_MAX) {
                ballots.push((content, registration.account));
                content = keccak256(content);
            }
        }
        ballots.sort_unstable();
        let mut quorums = Vec::new();
        let mut start = 0;
        while start + rows <= ballots.len() && quorums.len() < quorums_max {
            quorums.push(ballots[start..start + rows].iter().map(|(_, account)| *account).collect());
            start += rows;
        }
        if ballots.len() >= rows && start != ballots.len() && quorums.len() < quorums_max {
            quorums.push(ballots[ballots.len() - rows..].iter().map(|(_, account)| *account).collect());
        }
        if !ballots.is_empty() && ballots.len() < rows {
            quorums.push((0..rows).map(|row| ballots[row % ballots.len()].1).collect());
        }
        quorums
    }

    #[test]
    fn as_many_quorums_as_ballots_fill() {
        for (votes, expected) in [(0, 0), (1, 1), (7, 1), (8, 1), (9, 2), (16, 2), (79, 10), (80, 10), (81, 10), (85, 10), (500, 10)] {
            let registrations = [registration(1, votes / 2), registration(2, votes - votes / 2)];
            let quorums = draw(&registrations, 8, 10, u64::MAX);
            assert_eq!(quorums.len(), expected, "{votes} votes");
            assert!(quorums.iter().all(|quorum| quorum.len() == 8));
            assert_eq!(quorums, model(&registrations, 8, 10), "{votes} votes");
        }
    }

    #[test]
    fn a_signer_has_no_more_votes_than_count() {
        let (many, most) = (registration(1, u64::MAX), registration(1, VOTES_MAX));
        assert_eq!(
            draw(&[many, registration(2, 50_000)], ROWS, QUORUMS_MAX, BALLOTS_MAX),
            model(&[most, registration(2, 50_000)], ROWS, QUORUMS_MAX)
        );
    }

    #[test]
    fn ballots_beyond_the_bound_are_not_drawn_and_those_who_came_first_keep_theirs() {
        let registrations = [registration(1, 10), registration(2, 10), registration(3, 10)];
        let cut = [registration(1, 10), registration(2, 5), registration(3, 0)];
        assert_eq!(draw(&registrations, 4, 3, 15), model(&cut, 4, 3));
    }

    #[test]
    fn what_was_counted_out_last_is_given_again() {
        let registrations = [registration(1, 5_000), registration(2, 4_000)];
        let first = quorums(&registrations);
        assert_eq!(*first, model(&registrations, ROWS, QUORUMS_MAX));
        let other = quorums(&registrations[..1]);
        assert_eq!(*other, model(&registrations[..1], ROWS, QUORUMS_MAX));
        assert_eq!(quorums(&registrations), first);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_quorums_are_those_of_the_model_in_any_order_of_registration(
            votes in proptest::collection::vec(0..60u64, 0..12),
            rows in 1..40usize,
            quorums_max in 1..11usize,
            turn in 0..12usize,
        ) {
            let mut registrations: Vec<Registration> = (0u64..).zip(&votes).map(|(index, votes)| registration(index, *votes)).collect();
            let quorums = draw(&registrations, rows, quorums_max, u64::MAX);
            prop_assert_eq!(&quorums, &model(&registrations, rows, quorums_max));
            let turn = turn.min(registrations.len());
            registrations.rotate_left(turn);
            registrations.reverse();
            prop_assert_eq!(&quorums, &draw(&registrations, rows, quorums_max, u64::MAX));
        }
    }
}
