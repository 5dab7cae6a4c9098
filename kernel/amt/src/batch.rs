//! Sums of thousands of pairs of points at a time: in affine coordinates one inversion of the field serves them all.
//!
//! A sum costs five products and a square beside its share of the inversion, half of what projective coordinates cost. Where the
//! processor multiplies 52-bit limbs in lanes (`lanes`), eight sums go side by side.

#[cfg(target_arch = "x86_64")]
use crate::lanes;
use ark_bn254::{Fq, G1Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, BigInt, Field, Zero};

/// In an operand of a `Pair`: take the negative of the point.
pub const NEGATIVE: u32 = 1 << 31;
/// Pairs that share an inversion; what it keeps of them stays within the second-level cache.
pub const BATCH: usize = 2048;

/// A point of G1 in 64 bytes, in the representation of one `Kernel`; the point at infinity is all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C, align(64))]
pub struct Packed {
    pub(crate) x: [u64; 4],
    pub(crate) y: [u64; 4],
}

impl Packed {
    pub const INFINITY: Self = Self { x: [0; 4], y: [0; 4] };

    pub fn is_infinity(&self) -> bool {
        *self == Self::INFINITY
    }

    /// The same point on the other side of the x axis.
    pub fn negative(&self) -> Self {
        Self { x: self.x, y: (-Fq::new_unchecked(BigInt(self.y))).0.0 }
    }

    /// x times a constant that is given as arkworks has it, whatever the kernel.
    pub fn scaled_x(&self, factor: &Fq) -> Self {
        Self { x: (Fq::new_unchecked(BigInt(self.x)) * factor).0.0, y: self.y }
    }

    fn coordinates(&self) -> (Fq, Fq) {
        (Fq::new_unchecked(BigInt(self.x)), Fq::new_unchecked(BigInt(self.y)))
    }
}

/// One sum: `target[dest] = source[left] + source[right]`, an operand negative where its highest bit is set.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Pair {
    pub left: u32,
    pub right: u32,
    pub dest: u32,
}

/// How the additions of this processor are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// arkworks' field, one sum at a time.
    Portable,
    /// Eight sums at a time with AVX-512 IFMA; coordinates are kept times 2^260 instead of 2^256.
    #[cfg(target_arch = "x86_64")]
    Lanes,
}

/// Memory that additions reuse.
#[derive(Default)]
pub struct Scratch {
    products: Vec<(Fq, Fq)>,
    special: Vec<(u32, Packed)>,
    #[cfg(target_arch = "x86_64")]
    lanes: lanes::Scratch,
}

impl Kernel {
    /// The quickest one here.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if lanes::available() {
            return Self::Lanes;
        }
        Self::Portable
    }

    pub fn pack(self, point: &G1Affine) -> Packed {
        let scale = |value: Fq| match self {
            Self::Portable => value.0.0,
            #[cfg(target_arch = "x86_64")]
            Self::Lanes => (value.double().double().double().double()).0.0,
        };
        point.xy().map_or(Packed::INFINITY, |(x, y)| Packed { x: scale(x), y: scale(y) })
    }

    pub fn unpack(self, point: &Packed) -> G1Affine {
        if point.is_infinity() {
            return G1Affine::zero();
        }
        let (x, y) = point.coordinates();
        match self {
            Self::Portable => G1Affine::new_unchecked(x, y),
            #[cfg(target_arch = "x86_64")]
            Self::Lanes => G1Affine::new_unchecked(x * lanes::SIXTEENTH, y * lanes::SIXTEENTH),
        }
    }

    /// Add pairs of `source` into `target`. Panics when an index is outside.
    pub fn add(self, source: &[Packed], target: &mut [Packed], pairs: &[Pair], scratch: &mut Scratch) {
        check(pairs, source.len(), target.len());
        for batch in pairs.chunks(BATCH) {
            // SAFETY: all indexes were checked; the slices do not overlap.
            unsafe { self.add_batch(source.as_ptr(), target.as_mut_ptr(), batch, scratch) };
        }
    }

    /// The same inside one slice. What a pair writes must be no operand of another pair.
    pub fn add_within(self, points: &mut [Packed], pairs: &[Pair], scratch: &mut Scratch) {
        check(pairs, points.len(), points.len());
        for batch in pairs.chunks(BATCH) {
            let place = points.as_mut_ptr();
            // SAFETY: all indexes were checked; only this call uses the memory.
            unsafe { self.add_batch(place, place, batch, scratch) };
        }
    }

    /// Double the points at `indexes`, each named once.
    pub fn double_within(self, points: &mut [Packed], indexes: &[u32], scratch: &mut Scratch) {
        assert!(indexes.iter().all(|index| (*index as usize) < points.len()), "a point to double lies outside");
        for batch in indexes.chunks(BATCH) {
            match self {
                Self::Portable => double_batch(points, batch, scratch),
                #[cfg(target_arch = "x86_64")]
                // SAFETY: all indexes were checked; `Lanes` exists only where the processor has the instructions.
                Self::Lanes => unsafe { lanes::double_batch(points.as_mut_ptr(), batch, &mut scratch.lanes) },
            }
        }
    }

    /// One sum, complete: for the pairs that the formula for different points cannot add.
    pub fn sum(self, left: &Packed, right: &Packed) -> Packed {
        match (left.is_infinity(), right.is_infinity()) {
            (true, _) => *right,
            (_, true) => *left,
            _ => self.pack(&(self.unpack(left) + self.unpack(right)).into_affine()),
        }
    }

    unsafe fn add_batch(self, source: *const Packed, target: *mut Packed, pairs: &[Pair], scratch: &mut Scratch) {
        match self {
            // SAFETY: the caller checked the indexes.
            Self::Portable => unsafe { add_batch(source, target, pairs, scratch) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the same; `Lanes` exists only where the processor has the instructions.
            Self::Lanes => unsafe {
                lanes::add_batch(source, target, pairs, &mut scratch.lanes, &mut scratch.special);
            },
        }
    }
}

fn check(pairs: &[Pair], sources: usize, targets: usize) {
    let inside = |pair: &Pair| {
        ((pair.left & !NEGATIVE) as usize) < sources && ((pair.right & !NEGATIVE) as usize) < sources && (pair.dest as usize) < targets
    };
    assert!(pairs.iter().all(inside), "a pair lies outside its points");
}

/// # Safety
/// `index` without its sign must lie inside `source`.
pub(crate) unsafe fn operand(source: *const Packed, index: u32) -> Packed {
    // SAFETY: as the caller promises.
    let point = unsafe { *source.add((index & !NEGATIVE) as usize) };
    if index & NEGATIVE == 0 { point } else { point.negative() }
}

unsafe fn add_batch(source: *const Packed, target: *mut Packed, pairs: &[Pair], scratch: &mut Scratch) {
    scratch.products.clear();
    scratch.special.clear();
    let mut product = Fq::ONE;
    for pair in pairs {
        // SAFETY: the caller checked the indexes.
        let (left, right) = unsafe { (operand(source, pair.left), operand(source, pair.right)) };
        let mut difference = right.coordinates().0 - left.coordinates().0;
        if difference.is_zero() || left.is_infinity() || right.is_infinity() {
            scratch.special.push((pair.dest, Kernel::Portable.sum(&left, &right)));
            difference = Fq::ONE;
        }
        scratch.products.push((difference, product));
        product *= difference;
    }
    let mut inverse = product.inverse().unwrap_or_default();
    for (pair, (difference, before)) in pairs.iter().zip(&scratch.products).rev() {
        // SAFETY: the same.
        let (left, right) = unsafe { (operand(source, pair.left), operand(source, pair.right)) };
        let ((x1, y1), (x2, y2)) = (left.coordinates(), right.coordinates());
        let slope = (y2 - y1) * inverse * before;
        inverse *= difference;
        let x = slope.square() - x1 - x2;
        let y = slope * (x1 - x) - y1;
        // SAFETY: the same.
        unsafe { *target.add(pair.dest as usize) = Packed { x: x.0.0, y: y.0.0 } };
    }
    for (dest, point) in &scratch.special {
        // SAFETY: the same.
        unsafe { *target.add(*dest as usize) = *point };
    }
}

fn double_batch(points: &mut [Packed], indexes: &[u32], scratch: &mut Scratch) {
    scratch.products.clear();
    let mut product = Fq::ONE;
    for index in indexes {
        let twice = points[*index as usize].coordinates().1.double();
        // No point of odd order has y = 0: zero is the point at infinity, which stays.
        let factor = if twice.is_zero() { Fq::ONE } else { twice };
        scratch.products.push((factor, product));
        product *= factor;
    }
    let mut inverse = product.inverse().unwrap_or_default();
    for (index, (factor, before)) in indexes.iter().zip(&scratch.products).rev() {
        let point = &mut points[*index as usize];
        let (x1, y1) = point.coordinates();
        let square = x1.square();
        let slope = (square.double() + square) * inverse * before;
        inverse *= factor;
        if !point.is_infinity() {
            let x = slope.square() - x1.double();
            *point = Packed { x: x.0.0, y: (slope * (x1 - x) - y1).0.0 };
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ark_bn254::{Fr, G1Projective};

    /// Every way this processor can add.
    pub fn kernels() -> Vec<Kernel> {
        if Kernel::best() == Kernel::Portable { vec![Kernel::Portable] } else { vec![Kernel::Portable, Kernel::best()] }
    }

    /// Points with no visible order, the same each time.
    pub fn some_points(count: usize) -> Vec<G1Affine> {
        let step = G1Projective::from(G1Affine::generator()) * Fr::from(0x9e37_79b9_7f4a_7c15_u64);
        let all: Vec<_> = std::iter::successors(Some(step), |point| Some(point.double() + step)).take(count).collect();
        G1Projective::normalize_batch(&all)
    }

    #[test]
    fn sums_agree_with_arkworks_also_where_the_formula_fails() {
        for kernel in kernels() {
            let mut points = some_points(100);
            points[7] = G1Affine::zero();
            let packed: Vec<_> = points.iter().map(|point| kernel.pack(point)).collect();
            let ends = [(3, 3), (3, 3 | NEGATIVE), (7, 4), (4, 7), (7, 7), (5 | NEGATIVE, 6), (9 | NEGATIVE, 9 | NEGATIVE)];
            let regular = (0..93).map(|index| (index, (index * 31 + 11) % 100));
            let pairs: Vec<_> =
                ends.into_iter().chain(regular).enumerate().map(|(dest, (left, right))| Pair { left, right, dest: dest as u32 }).collect();
            let mut sums = vec![Packed::INFINITY; pairs.len()];
            kernel.add(&packed, &mut sums, &pairs, &mut Scratch::default());
            let signed = |index: u32| {
                let point = points[(index & !NEGATIVE) as usize];
                if index & NEGATIVE == 0 { point } else { -point }
            };
            for (pair, sum) in pairs.iter().zip(&sums) {
                assert_eq!(kernel.unpack(sum), (signed(pair.left) + signed(pair.right)).into_affine(), "{kernel:?} {pair:?}");
            }
        }
    }

    #[test]
    fn doubles_agree_with_arkworks() {
        for kernel in kernels() {
            let mut points = some_points(21);
            points[4] = G1Affine::zero();
            let mut packed: Vec<_> = points.iter().map(|point| kernel.pack(point)).collect();
            let indexes: Vec<_> = (0..21).filter(|index| *index != 9).collect();
            kernel.double_within(&mut packed, &indexes, &mut Scratch::default());
            for (index, point) in points.iter().enumerate() {
                let expected = if index == 9 { *point } else { (*point + *point).into_affine() };
                assert_eq!(kernel.unpack(&packed[index]), expected, "{kernel:?} {index}");
            }
        }
    }
}
