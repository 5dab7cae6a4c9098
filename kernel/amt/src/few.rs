//! A blob whose data lies in few rows, as that of most blobs does: the rest of its matrix is zero, and a sum over those rows replaces the
//! transforms down the columns. The result is the same to the last bit.
//!
//! With remainders `R_j` of the rows that are not zero, and the root `ρ` of the order of the rows, the block `f_m` is `Σ_j R_j ρ^(-jm)`
//! divided by the number of rows, and the remainder of row `r` of a coset is `Σ_m f_m (σ ρ^r)^m`, where `σ` is its shift to the power of
//! the columns: a geometric sum for each `j`.

use crate::domain::Domain;
use crate::ntt::{inverse, powers_of, root_of_unity};
use crate::rows::{Row, remainder, scale_of, write_coset};
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field, batch_inversion};
use rayon::prelude::*;

/// With more rows transforms down the columns are quicker. The last one counts, since it holds the length.
pub const ROWS_MAX: usize = 4;

/// Fill the parity rows of the matrix whose first rows are `blob`, of which those in `held` alone are not zero. Returns the polynomial.
pub fn encode(domain: &Domain, blob: &[u8], held: &[usize], parity: &mut [u8]) -> Vec<Fr> {
    let shape = domain.shape;
    let rows = shape.rows();
    let remainders: Vec<Vec<Row>> = held.iter().map(|row| remainder_of(domain, blob, *row)).collect();
    for (coset, room) in (1..).zip(parity.chunks_exact_mut(rows * shape.row_bytes())) {
        let sums = geometric_sums(domain, coset);
        write_coset(domain, coset, room, |row, buffer| {
            add_up(&remainders, held.iter().map(|held| sums[(rows + row - held) % rows]), buffer);
        });
    }
    let powers: Vec<Fr> = powers_of(inverse(root_of_unity(shape.log_rows))).take(rows).collect();
    let mut blocks = vec![[Fr::ZERO]; shape.elements()];
    blocks.par_chunks_exact_mut(shape.columns()).enumerate().for_each(|(block, room)| {
        add_up(&remainders, held.iter().map(|held| powers[held * block % rows]), room);
    });
    blocks.into_flattened()
}

fn remainder_of(domain: &Domain, blob: &[u8], row: usize) -> Vec<Row> {
    let bytes = domain.shape.row_bytes();
    let mut buffer = vec![[Fr::ZERO]; domain.shape.columns()];
    remainder(domain, &blob[row * bytes..][..bytes], scale_of(domain), domain.inverse_row_shifts[row], &mut buffer);
    buffer
}

/// `Σ_m (σ ρ^d)^m` over all blocks, by the distance `d`: `(σ^rows - 1) / (σ ρ^d - 1)`.
fn geometric_sums(domain: &Domain, coset: usize) -> Vec<Fr> {
    let shape = domain.shape;
    let shift = domain.shifts[coset].pow([shape.columns() as u64]);
    let mut sums: Vec<Fr> = powers_of(root_of_unity(shape.log_rows)).take(shape.rows()).map(|root| shift * root - Fr::ONE).collect();
    batch_inversion(&mut sums);
    let numerator = shift.pow([shape.rows() as u64]) - Fr::ONE;
    sums.iter_mut().for_each(|sum| *sum *= numerator);
    sums
}

/// The remainders times their factors, column by column.
fn add_up(remainders: &[Vec<Row>], factors: impl Iterator<Item = Fr>, room: &mut [Row]) {
    room.fill([Fr::ZERO]);
    for (remainder, factor) in remainders.iter().zip(factors) {
        for (sum, value) in room.as_flattened_mut().iter_mut().zip(remainder.as_flattened()) {
            *sum += *value * factor;
        }
    }
}
