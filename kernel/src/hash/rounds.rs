//! The permutation Keccak-f[1600], written once over a word of any width: one message a word, or as many as a register has lanes.
//! Source: FIPS 202, section 3.

/// 64 bits of each of several messages.
///
/// # Safety
/// Every method may use instructions that not every processor has; whoever calls one knows that this one does.
pub(super) trait Word: Copy {
    /// Rounds in a turn of the loop, 1 or 2: what the compiler makes the better use of registers with.
    const ROUNDS_AT_ONCE: usize;

    unsafe fn splat(value: u64) -> Self;
    unsafe fn xor(self, other: Self) -> Self;
    unsafe fn xor3(self, second: Self, third: Self) -> Self;
    /// `self ^ (!second & third)`, the only step that is not linear.
    unsafe fn chi(self, second: Self, third: Self) -> Self;
    /// Rotate towards the high bits by `LEFT`; `RIGHT` is 64 − `LEFT`, because a constant cannot yet be computed from a parameter.
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self;
    /// Sum without its carry, which BLAKE2b needs.
    unsafe fn add(self, other: Self) -> Self;
}

/// Source: FIPS 202, section 3.2.5 (iota).
const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// Words that a block of Keccak-256 fills: 1088 bits of 1600.
const RATE_WORDS: usize = 17;

/// Digests of messages of `words`, with Ethereum's padding: a one right after the message, a one at the block's end.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn absorb<W: Word>(words: &[W]) -> [W; 4] {
    // SAFETY: the caller's promise covers every call here.
    unsafe {
        let mut state = [W::splat(0); 25];
        let (blocks, rest) = words.as_chunks::<RATE_WORDS>();
        for block in blocks {
            for (place, word) in state.iter_mut().zip(block) {
                *place = place.xor(*word);
            }
            state = rounds(state, &ROUND_CONSTANTS);
        }
        for (place, word) in state.iter_mut().zip(rest) {
            *place = place.xor(*word);
        }
        state[rest.len()] = state[rest.len()].xor(W::splat(1));
        state[RATE_WORDS - 1] = state[RATE_WORDS - 1].xor(W::splat(1 << 63));
        squeeze(state)
    }
}

// From here on every line is inlined into a function that is compiled for the instructions of `W`. Closures are not, so there are none.

/// One round for each of `constants`.
#[inline(always)]
unsafe fn rounds<W: Word>(mut state: [W; 25], constants: &[u64]) -> [W; 25] {
    // SAFETY: as for `absorb`; so below.
    unsafe {
        if W::ROUNDS_AT_ONCE == 2 {
            let (pairs, rest) = constants.as_chunks();
            for [first, second] in pairs {
                state = round(&round(&state, W::splat(*first)), W::splat(*second));
            }
            for constant in rest {
                state = round(&state, W::splat(*constant));
            }
        } else {
            for constant in constants {
                state = round(&state, W::splat(*constant));
            }
        }
    }
    state
}

/// The last permutation of a message. Most of its last round does not reach the digest, and is left out by the compiler.
#[inline(always)]
unsafe fn squeeze<W: Word>(state: [W; 25]) -> [W; 4] {
    unsafe {
        let [before @ .., last] = &ROUND_CONSTANTS;
        let [w0, w1, w2, w3, ..] = round(&rounds(state, before), W::splat(*last));
        [w0, w1, w2, w3]
    }
}

/// Theta, rho, pi, chi and iota. `a[x + 5 y]` is the word that FIPS 202 calls A[x, y].
#[inline(always)]
#[rustfmt::skip]
unsafe fn round<W: Word>(a: &[W; 25], constant: W) -> [W; 25] {
    unsafe {
        let c = [column(a, 0), column(a, 1), column(a, 2), column(a, 3), column(a, 4)];
        let r = [c[0].rotate::<1, 63>(), c[1].rotate::<1, 63>(), c[2].rotate::<1, 63>(), c[3].rotate::<1, 63>(), c[4].rotate::<1, 63>()];
        let mixed = Mixed { a, c, r };
        let [b0, b1, b2, b3, b4] = chi([
            mixed.theta(0), mixed.moved::<44, 20>(6), mixed.moved::<43, 21>(12), mixed.moved::<21, 43>(18), mixed.moved::<14, 50>(24),
        ]);
        let [b5, b6, b7, b8, b9] = chi([
            mixed.moved::<28, 36>(3), mixed.moved::<20, 44>(9), mixed.moved::<3, 61>(10), mixed.moved::<45, 19>(16), mixed.moved::<61, 3>(22),
        ]);
        let [b10, b11, b12, b13, b14] = chi([
            mixed.moved::<1, 63>(1), mixed.moved::<6, 58>(7), mixed.moved::<25, 39>(13), mixed.moved::<8, 56>(19), mixed.moved::<18, 46>(20),
        ]);
        let [b15, b16, b17, b18, b19] = chi([
            mixed.moved::<27, 37>(4), mixed.moved::<36, 28>(5), mixed.moved::<10, 54>(11), mixed.moved::<15, 49>(17), mixed.moved::<56, 8>(23),
        ]);
        let [b20, b21, b22, b23, b24] = chi([
            mixed.moved::<62, 2>(2), mixed.moved::<55, 9>(8), mixed.moved::<39, 25>(14), mixed.moved::<41, 23>(15), mixed.moved::<2, 62>(21),
        ]);
        [
            b0.xor(constant), b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12,
            b13, b14, b15, b16, b17, b18, b19, b20, b21, b22, b23, b24,
        ]
    }
}

/// The state, the parity of its columns, and that parity rotated.
struct Mixed<'a, W> {
    a: &'a [W; 25],
    c: [W; 5],
    r: [W; 5],
}

impl<W: Word> Mixed<'_, W> {
    #[inline(always)]
    unsafe fn theta(&self, place: usize) -> W {
        unsafe { self.a[place].xor3(self.c[(place + 4) % 5], self.r[(place + 1) % 5]) }
    }

    /// Theta and rho; where the caller puts the word is pi.
    #[inline(always)]
    unsafe fn moved<const LEFT: i32, const RIGHT: i32>(&self, place: usize) -> W {
        unsafe { self.theta(place).rotate::<LEFT, RIGHT>() }
    }
}

#[inline(always)]
unsafe fn column<W: Word>(a: &[W; 25], x: usize) -> W {
    unsafe { a[x].xor3(a[x + 5], a[x + 10]).xor3(a[x + 15], a[x + 20]) }
}

#[inline(always)]
unsafe fn chi<W: Word>([a, b, c, d, e]: [W; 5]) -> [W; 5] {
    unsafe { [a.chi(b, c), b.chi(c, d), c.chi(d, e), d.chi(e, a), e.chi(a, b)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;
    use proptest::prelude::*;

    /// One message a word: the rounds without any special instruction.
    impl Word for u64 {
        const ROUNDS_AT_ONCE: usize = 2;

        unsafe fn splat(value: u64) -> Self {
            value
        }

        unsafe fn xor(self, other: Self) -> Self {
            self ^ other
        }

        unsafe fn xor3(self, second: Self, third: Self) -> Self {
            self ^ second ^ third
        }

        unsafe fn chi(self, second: Self, third: Self) -> Self {
            self ^ (!second & third)
        }

        unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
            assert_eq!(LEFT + RIGHT, 64);
            self.rotate_left(LEFT as u32)
        }

        unsafe fn add(self, other: Self) -> Self {
            self.wrapping_add(other)
        }
    }

    proptest! {
        #[test]
        fn rounds_over_plain_words_are_keccak(words in proptest::collection::vec(any::<u64>(), 0..80)) {
            // SAFETY: `u64` needs no special instruction.
            let digest = unsafe { absorb(&words) };
            let digest: Vec<u8> = digest.iter().flat_map(|word| word.to_le_bytes()).collect();
            let message: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            prop_assert_eq!(digest, keccak256(message).to_vec());
        }
    }
}
