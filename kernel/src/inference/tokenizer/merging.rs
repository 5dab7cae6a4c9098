//! Byte-pair merging with a heap: the best pair first, the leftmost of equals, in O(n log n) for a word of any length.

use std::{cmp::Reverse, collections::BinaryHeap};

const NONE: u32 = u32::MAX;
/// Symbols that a thread keeps room for.
const ROOM: usize = 1 << 10;

/// A symbol in a word: a token, or something that will be one. `length` counts the bytes of text that it covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    pub token: u32,
    pub length: u32,
    /// Bytes of the word before it.
    pub start: u32,
    left: u32,
    right: u32,
}

impl Symbol {
    pub fn new(token: u32, start: u32, length: u32) -> Self {
        Self { token, length, start, left: NONE, right: NONE }
    }
}

/// What two neighbours become, with the rank of doing it: low ranks come first.
pub(super) trait Joins {
    fn join(&self, left: &Symbol, right: &Symbol) -> Option<(u32, u32)>;
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    rank: u32,
    left: u32,
    token: u32,
}

/// Room that is used again from word to word.
#[derive(Default)]
pub(super) struct Merger {
    pub symbols: Vec<Symbol>,
    pairs: BinaryHeap<Reverse<Pair>>,
}

impl Merger {
    /// Merge `symbols`, and give what is left of them, in order.
    pub fn merge(&mut self, joins: &impl Joins, mut each: impl FnMut(&Symbol)) {
        let count = self.symbols.len() as u32;
        for at in 0..count {
            let symbol = &mut self.symbols[at as usize];
            symbol.left = at.checked_sub(1).unwrap_or(NONE);
            symbol.right = if at + 1 < count { at + 1 } else { NONE };
        }
        for at in 1..count {
            self.offer(joins, at - 1);
        }
        while let Some(Reverse(pair)) = self.pairs.pop() {
            self.apply(joins, pair);
        }
        let mut at = if count == 0 { NONE } else { 0 };
        while at != NONE {
            let symbol = &self.symbols[at as usize];
            each(symbol);
            at = symbol.right;
        }
        self.symbols.clear();
    }

    /// Let go of the room that a long text took.
    pub fn shrink(&mut self) {
        self.symbols.shrink_to(ROOM);
        self.pairs.shrink_to(ROOM);
    }

    /// Put a symbol and the one to its right on the heap, if they can become one.
    fn offer(&mut self, joins: &impl Joins, left: u32) {
        let symbol = self.symbols[left as usize];
        if symbol.right != NONE
            && let Some((rank, token)) = joins.join(&symbol, &self.symbols[symbol.right as usize])
        {
            self.pairs.push(Reverse(Pair { rank, left, token }));
        }
    }

    /// Merge a pair, unless one of the two has changed since it was put on the heap.
    fn apply(&mut self, joins: &impl Joins, pair: Pair) {
        let left = self.symbols[pair.left as usize];
        if left.length == 0 || left.right == NONE {
            return;
        }
        let right = self.symbols[left.right as usize];
        if joins.join(&left, &right) != Some((pair.rank, pair.token)) {
            return;
        }
        self.symbols[left.right as usize].length = 0;
        let merged = &mut self.symbols[pair.left as usize];
        merged.token = pair.token;
        merged.length += right.length;
        merged.right = right.right;
        if right.right != NONE {
            self.symbols[right.right as usize].left = pair.left;
        }
        if left.left != NONE {
            self.offer(joins, left.left);
        }
        self.offer(joins, pair.left);
    }
}
