//! The compression of BLAKE2b, written once over a word of any width: as many messages as a register has lanes.
//! Source: RFC 7693.

use super::rounds::Word;

/// What BLAKE2b-512 gives.
pub const DIGEST_BYTES: usize = 64;
/// Bytes that one compression takes in.
pub const BLOCK_BYTES: usize = 128;

/// Source: RFC 7693, section 2.6.
const INITIAL: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// No key, 64 bytes of digest, one message a tree. Source: RFC 7693, section 2.8.
const PARAMETERS: u64 = 0x0101_0000 ^ DIGEST_BYTES as u64;

/// Which word of the message goes where in each round. Source: RFC 7693, section 2.7.
const SCHEDULE: [[u8; 16]; 12] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
];

/// The state before the first block.
///
/// # Safety
/// The processor has the instructions of `W`; so below.
#[inline(always)]
pub(super) unsafe fn initial<W: Word>() -> [W; 8] {
    // SAFETY: the caller's promise.
    unsafe {
        let [first, rest @ ..] = INITIAL;
        let mut state = [W::splat(first ^ PARAMETERS); 8];
        for (place, value) in state[1..].iter_mut().zip(rest) {
            *place = W::splat(value);
        }
        state
    }
}

/// The state after a block, with which the message has `bytes`.
///
/// # Safety
/// As for `initial`.
#[inline(always)]
pub(super) unsafe fn compress<W: Word>(state: [W; 8], message: &[W; 16], bytes: u64, is_last: bool) -> [W; 8] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut v = [W::splat(0); 16];
        v[..8].copy_from_slice(&state);
        for (place, value) in v[8..].iter_mut().zip(INITIAL) {
            *place = W::splat(value);
        }
        v[12] = W::splat(INITIAL[4] ^ bytes);
        v[14] = W::splat(if is_last { !INITIAL[6] } else { INITIAL[6] });
        for schedule in &SCHEDULE {
            v = round(v, message, schedule);
        }
        let mut next = state;
        for (index, place) in next.iter_mut().enumerate() {
            *place = place.xor3(v[index], v[index + 8]);
        }
        next
    }
}

#[inline(always)]
#[rustfmt::skip]
unsafe fn round<W: Word>(mut v: [W; 16], m: &[W; 16], s: &[u8; 16]) -> [W; 16] {
    unsafe {
        [v[0], v[4], v[8], v[12]] = mix([v[0], v[4], v[8], v[12]], pick(m, s[0]), pick(m, s[1]));
        [v[1], v[5], v[9], v[13]] = mix([v[1], v[5], v[9], v[13]], pick(m, s[2]), pick(m, s[3]));
        [v[2], v[6], v[10], v[14]] = mix([v[2], v[6], v[10], v[14]], pick(m, s[4]), pick(m, s[5]));
        [v[3], v[7], v[11], v[15]] = mix([v[3], v[7], v[11], v[15]], pick(m, s[6]), pick(m, s[7]));
        [v[0], v[5], v[10], v[15]] = mix([v[0], v[5], v[10], v[15]], pick(m, s[8]), pick(m, s[9]));
        [v[1], v[6], v[11], v[12]] = mix([v[1], v[6], v[11], v[12]], pick(m, s[10]), pick(m, s[11]));
        [v[2], v[7], v[8], v[13]] = mix([v[2], v[7], v[8], v[13]], pick(m, s[12]), pick(m, s[13]));
        [v[3], v[4], v[9], v[14]] = mix([v[3], v[4], v[9], v[14]], pick(m, s[14]), pick(m, s[15]));
    }
    v
}

#[inline(always)]
fn pick<W: Word>(message: &[W; 16], index: u8) -> W {
    // The schedule has nothing above 15; the compiler sees it by the mask.
    message[usize::from(index & 15)]
}

/// The function G. Source: RFC 7693, section 3.1.
#[inline(always)]
unsafe fn mix<W: Word>([a, b, c, d]: [W; 4], x: W, y: W) -> [W; 4] {
    unsafe {
        let a = a.add(b).add(x);
        let d = d.xor(a).rotate::<32, 32>();
        let c = c.add(d);
        let b = b.xor(c).rotate::<40, 24>();
        let a = a.add(b).add(y);
        let d = d.xor(a).rotate::<48, 16>();
        let c = c.add(d);
        let b = b.xor(c).rotate::<1, 63>();
        [a, b, c, d]
    }
}
