//! The points at which a blob's polynomial is known: three cosets of the roots of unity, cut into rows.
//!
//! Row `r` of coset `k` is the polynomial at `h_k ω^(r + c · rows)` for every column `c`, so it is a coset of the roots of order `columns`.

use crate::ntt::{Transform, inverse, powers_of, reversed, root_of_unity};
use crate::shape::{COSETS, DEVELOPMENT, PRODUCTION, Shape};
use ark_bn254::Fr;
use ark_ff::{FftField, Field};
use std::sync::OnceLock;

/// Tables for one shape.
pub struct Domain {
    pub shape: Shape,
    /// `ω`, of the order of the elements.
    pub root: Fr,
    /// `h_k`.
    pub shifts: [Fr; COSETS],
    /// `ω^r` of each row.
    pub row_shifts: Vec<Fr>,
    /// `ω^-r` of each row.
    pub inverse_row_shifts: Vec<Fr>,
    /// Over the columns of a row.
    pub across: Transform,
    /// Over the rows of a column.
    pub down: Transform,
}

impl Domain {
    /// The tables of a shape that is in use, made once.
    pub fn of(shape: Shape) -> &'static Self {
        static PRODUCTION_DOMAIN: OnceLock<Domain> = OnceLock::new();
        static DEVELOPMENT_DOMAIN: OnceLock<Domain> = OnceLock::new();
        if shape == PRODUCTION {
            PRODUCTION_DOMAIN.get_or_init(|| Self::new(PRODUCTION))
        } else {
            DEVELOPMENT_DOMAIN.get_or_init(|| Self::new(DEVELOPMENT))
        }
    }

    fn new(shape: Shape) -> Self {
        let root = root_of_unity(shape.log_elements());
        Self {
            shape,
            root,
            shifts: std::array::from_fn(|coset| coset_shift(shape, coset)),
            row_shifts: powers_of(root).take(shape.rows()).collect(),
            inverse_row_shifts: powers_of(inverse(root)).take(shape.rows()).collect(),
            across: Transform::new(shape.log_columns),
            down: Transform::new(shape.log_rows),
        }
    }

    /// `h_k ω^r`, the first point of encoded row `index`.
    pub fn row_shift(&self, index: usize) -> Fr {
        self.shifts[index / self.shape.rows()] * self.row_shifts[index % self.shape.rows()]
    }
}

/// `h_k`: the powers of the root of order 2^28 in bit-reversed order, so that each further shift fills the gaps of the last.
pub fn coset_shift(shape: Shape, coset: usize) -> Fr {
    let bits = Fr::TWO_ADICITY - shape.log_elements();
    root_of_unity(Fr::TWO_ADICITY).pow([reversed(coset, bits) as u64])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::MontFp;

    /// Source: 0glabs/0g-da-encoder run with the production size.
    #[test]
    fn the_shifts_are_the_official_ones() {
        let shifts = Domain::of(PRODUCTION).shifts;
        assert_eq!(shifts[0], Fr::ONE);
        assert_eq!(shifts[1], MontFp!("13536764371732269273912573961853310557438878140379554347802702086337840854307"));
        assert_eq!(shifts[2], MontFp!("12143866164239048021030917283424216263377309185099704096317235600302831912062"));
        assert_eq!(coset_shift(PRODUCTION, 3), MontFp!("18210384489231099391707558439576632976219207129264580741833047212657052890277"));
    }
}
