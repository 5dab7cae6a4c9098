//! The permutation Keccak-f[1600], written once over a word of any width: one message a word, or as many as a register has lanes.
//! Source: FIPS 202, section 3.

/// 64 bits of each of several messages.
///
/// # Safety
/// Every method may use instructions that not every processor has; whoever calls one knows that this one does.
pub(super) trait Word: Copy {
    unsafe fn splat(value: u64) -> Self;
    unsafe fn xor(self, other: Self) -> Self;
    unsafe fn xor3(self, second: Self, third: Self) -> Self;
    /// `self ^ (!second & third)`, the only step that is not linear.
    unsafe fn chi(self, second: Self, third: Self) -> Self;
    /// Rotate towards the high bits by `LEFT`; `RIGHT` is 64 − `LEFT`, because a constant cannot yet be computed from a parameter.
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self;
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

/// State after absorbing messages of `words`, with Ethereum's padding (a one right after the message, a one at the block's end). Its
/// first four words are the digests.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn absorb<W: Word>(words: &[W]) -> [W; 25] {
    // SAFETY: the caller's promise covers every call here.
    unsafe {
        let mut state = [W::splat(0); 25];
        for (index, word) in words.iter().enumerate() {
            let place = &mut state[index % RATE_WORDS];
            *place = place.xor(*word);
            if index % RATE_WORDS == RATE_WORDS - 1 {
                permute(&mut state);
            }
        }
        let end = words.len() % RATE_WORDS;
        state[end] = state[end].xor(W::splat(1));
        state[RATE_WORDS - 1] = state[RATE_WORDS - 1].xor(W::splat(1 << 63));
        permute(&mut state);
        state
    }
}

#[inline(always)]
unsafe fn permute<W: Word>(state: &mut [W; 25]) {
    for constant in ROUND_CONSTANTS {
        // SAFETY: as for `absorb`.
        unsafe { *state = round(state, W::splat(constant)) };
    }
}

/// Theta, rho, pi, chi and iota. `a[x + 5 y]` is the word that FIPS 202 calls A[x, y].
#[inline(always)]
#[rustfmt::skip]
unsafe fn round<W: Word>(a: &[W; 25], constant: W) -> [W; 25] {
    // SAFETY: as for `absorb`.
    unsafe {
        let c: [W; 5] = std::array::from_fn(|x| a[x].xor3(a[x + 5], a[x + 10]).xor3(a[x + 15], a[x + 20]));
        let r: [W; 5] = std::array::from_fn(|x| c[x].rotate::<1, 63>());
        let t: [W; 25] = std::array::from_fn(|place| a[place].xor3(c[(place + 4) % 5], r[(place + 1) % 5]));
        let rows = [
            [t[0],                     t[6].rotate::<44, 20>(),  t[12].rotate::<43, 21>(), t[18].rotate::<21, 43>(), t[24].rotate::<14, 50>()],
            [t[3].rotate::<28, 36>(),  t[9].rotate::<20, 44>(),  t[10].rotate::<3, 61>(),  t[16].rotate::<45, 19>(), t[22].rotate::<61, 3>()],
            [t[1].rotate::<1, 63>(),   t[7].rotate::<6, 58>(),   t[13].rotate::<25, 39>(), t[19].rotate::<8, 56>(),  t[20].rotate::<18, 46>()],
            [t[4].rotate::<27, 37>(),  t[5].rotate::<36, 28>(),  t[11].rotate::<10, 54>(), t[17].rotate::<15, 49>(), t[23].rotate::<56, 8>()],
            [t[2].rotate::<62, 2>(),   t[8].rotate::<55, 9>(),   t[14].rotate::<39, 25>(), t[15].rotate::<41, 23>(), t[21].rotate::<2, 62>()],
        ];
        let mut out: [W; 25] = std::array::from_fn(|place| {
            let (row, x) = (&rows[place / 5], place % 5);
            row[x].chi(row[(x + 1) % 5], row[(x + 2) % 5])
        });
        out[0] = out[0].xor(constant);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;
    use proptest::prelude::*;

    /// One message a word: the rounds without any special instruction.
    impl Word for u64 {
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
    }

    proptest! {
        #[test]
        fn rounds_over_plain_words_are_keccak(words in proptest::collection::vec(any::<u64>(), 0..80)) {
            // SAFETY: `u64` needs no special instruction.
            let state = unsafe { absorb(&words) };
            let digest: Vec<u8> = state[..4].iter().flat_map(|word| word.to_le_bytes()).collect();
            let message: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            prop_assert_eq!(digest, keccak256(message).to_vec());
        }
    }
}
