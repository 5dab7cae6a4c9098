//! A blob as a polynomial and as its encoded rows.
//!
//! With `f = Σ f_m X^(columns · m)`, row `i` determines the remainder of `f` modulo `X^columns - z_i`, which is `Σ z_i^m f_m`: a transform
//! across the row gives it, and a transform down each column connects the remainders of a coset's rows with the blocks `f_m`.

use crate::blob::{BlobSizeError, check_size, filled_rows, write_row};
use crate::domain::Domain;
use crate::few;
use crate::merkle::{CosetTree, Digest, Keccak};
use crate::ntt::inverse;
use crate::shape::{COSETS, Shape, UNIT_BYTES};
use ark_bn254::{Fr, FrConfig};
use ark_ff::{AdditiveGroup, BigInt, Field, MontConfig, PrimeField};
use rayon::prelude::*;

/// Columns that go through a transform together: what is read from a row is then a few whole cache lines, what is worked on fits a core.
pub const LANES: usize = 8;
/// Neighbouring columns of one row.
pub type Group = [Fr; LANES];
/// A column of a row that is transformed by itself.
pub type Row = [Fr; 1];

/// A blob's polynomial and its values.
pub struct Matrix {
    shape: Shape,
    filled_rows: usize,
    coefficients: Vec<Fr>,
    encoded: Vec<u8>,
}

impl Matrix {
    /// Encode `data`, on all threads.
    pub fn encode(shape: Shape, data: &[u8]) -> Result<Self, BlobSizeError> {
        check_size(shape, data.len())?;
        let domain = Domain::of(shape);
        let filled_rows = filled_rows(shape, data.len());
        let mut encoded = vec![0; COSETS * shape.rows() * shape.row_bytes()];
        let (blob, parity) = encoded.split_at_mut(shape.rows() * shape.row_bytes());
        let holds_data = |row: usize| row < filled_rows || row + 1 == shape.rows();
        blob.par_chunks_exact_mut(shape.row_bytes()).enumerate().filter(|(row, _)| holds_data(*row)).for_each(|(row, room)| {
            write_row(shape, data, row, room);
        });
        let held: Vec<usize> = (0..shape.rows()).filter(|row| holds_data(*row)).collect();
        let coefficients = if held.len() <= few::ROWS_MAX {
            few::encode(domain, blob, &held, parity)
        } else {
            encode_all(domain, blob, &holds_data, parity)
        };
        Ok(Self { shape, filled_rows, coefficients, encoded })
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How many of the blob's first rows hold its bytes. Of the rows after them only the last can be other than zero: it ends in the length.
    pub fn filled_rows(&self) -> usize {
        self.filled_rows
    }

    /// The polynomial, lowest power first.
    pub fn coefficients(&self) -> &[Fr] {
        &self.coefficients
    }

    /// All encoded rows, one after another.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    pub fn row(&self, index: usize) -> &[u8] {
        &self.encoded[index * self.shape.row_bytes()..][..self.shape.row_bytes()]
    }

    /// The values of encoded row `index`, by column.
    pub fn row_values(&self, index: usize) -> impl Iterator<Item = Fr> {
        self.row(index).chunks_exact(UNIT_BYTES).map(element)
    }

    /// The values of a coset in the order of the points: value `c · rows + r` is that at `h_k ω^(c · rows + r)`.
    pub fn evaluations(&self, coset: usize) -> Vec<Fr> {
        let (rows, columns) = (self.shape.rows(), self.shape.columns());
        let mut values = vec![Fr::ZERO; self.shape.elements()];
        values.par_chunks_exact_mut(rows).enumerate().for_each(|(column, values)| {
            for (row, value) in values.iter_mut().enumerate() {
                let place = ((coset * rows + row) * columns + column) * UNIT_BYTES;
                *value = element(&self.encoded[place..place + UNIT_BYTES]);
            }
        });
        values
    }

    /// The Merkle trees of the cosets.
    pub fn trees(&self, keccak: &Keccak) -> [CosetTree; COSETS] {
        let rows = self.shape.rows();
        let empty = keccak.row_root(&vec![0; self.shape.row_bytes()]);
        let root = |index: usize| {
            let is_empty = index >= self.filled_rows && index + 1 < rows;
            if is_empty { empty } else { keccak.row_root(self.row(index)) }
        };
        let roots: Vec<Digest> = (0..COSETS * rows).into_par_iter().map(root).collect();
        std::array::from_fn(|coset| CosetTree::new(keccak, &roots[coset * rows..][..rows]))
    }

    /// The encoded rows alone; the polynomial's memory is free then.
    pub fn into_encoded(self) -> Vec<u8> {
        self.encoded
    }
}

/// Fill the parity rows of the matrix whose first rows are `blob`. Returns the polynomial.
fn encode_all(domain: &Domain, blob: &[u8], holds_data: &(impl Fn(usize) -> bool + Sync), parity: &mut [u8]) -> Vec<Fr> {
    let shape = domain.shape;
    let mut spare = vec![[Fr::ZERO; LANES]; shape.elements() / LANES];
    remainders_of(domain, blob, holds_data, &mut spare);
    let blocks = blocks_of(domain, &spare);
    for (coset, rows) in (1..).zip(parity.chunks_exact_mut(shape.rows() * shape.row_bytes())) {
        encode_coset(domain, &blocks, coset, &mut spare, rows);
    }
    in_order(shape, &blocks, spare)
}

/// What `remainder` scales by where the polynomial comes from all rows: one through the number of elements.
pub fn scale_of(domain: &Domain) -> Fr {
    inverse(Fr::from(domain.shape.elements() as u64)) * montgomery_square()
}

/// The remainders of the blob's rows, each coefficient divided by the number of elements.
fn remainders_of(domain: &Domain, rows: &[u8], holds_data: &(impl Fn(usize) -> bool + Sync), remainders: &mut [Group]) {
    let shape = domain.shape;
    let scale = scale_of(domain);
    let rooms = remainders.par_chunks_exact_mut(shape.columns() / LANES);
    rooms.zip(rows.par_chunks_exact(shape.row_bytes())).enumerate().filter(|(row, _)| holds_data(*row)).for_each_init(
        || vec![[Fr::ZERO]; shape.columns()],
        |buffer, (row, (room, bytes))| {
            remainder(domain, bytes, scale, domain.inverse_row_shifts[row], buffer);
            room.as_flattened_mut().copy_from_slice(buffer.as_flattened());
        },
    );
}

/// The remainder that a row determines, times `columns` and `scale` (which has to contain `montgomery_square`).
pub fn remainder(domain: &Domain, row: &[u8], scale: Fr, inverse_shift: Fr, buffer: &mut [Row]) {
    for (column, unit) in row.chunks_exact(UNIT_BYTES).enumerate() {
        buffer[domain.across.place(column)] = [unreduced(unit) * scale];
    }
    domain.across.backward(buffer, &domain.across.coset(inverse_shift));
}

/// The blocks `f_m`, panel after panel: the rows of the first `LANES` columns, then those of the next.
fn blocks_of(domain: &Domain, remainders: &[Group]) -> Vec<Group> {
    let (rows, groups) = (domain.shape.rows(), domain.shape.columns() / LANES);
    let mut panels = vec![[Fr::ZERO; LANES]; remainders.len()];
    let whole = domain.down.coset(Fr::ONE);
    panels.par_chunks_exact_mut(rows).enumerate().for_each(|(group, panel)| {
        for (place, room) in panel.iter_mut().enumerate() {
            *room = remainders[domain.down.place(place) * groups + group];
        }
        domain.down.backward(panel, &whole);
    });
    panels
}

/// The rows of one further coset.
fn encode_coset(domain: &Domain, blocks: &[Group], coset: usize, spare: &mut [Group], rows: &mut [u8]) {
    let shape = domain.shape;
    let shift = domain.shifts[coset];
    let down = domain.down.coset(shift.pow([shape.columns() as u64]));
    spare.par_chunks_exact_mut(shape.rows()).zip(blocks.par_chunks_exact(shape.rows())).for_each(|(panel, blocks)| {
        panel.copy_from_slice(blocks);
        domain.down.forward(panel, &down);
    });
    let panels = &*spare;
    write_coset(domain, coset, rows, |row, buffer| {
        for (group, target) in buffer.as_flattened_mut().as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            *target = panels[group * shape.rows() + domain.down.place(row)];
        }
    });
}

/// Write all rows of a coset, whose remainders `fill` gives.
pub fn write_coset(domain: &Domain, coset: usize, rows: &mut [u8], fill: impl Fn(usize, &mut [Row]) + Sync) {
    let shape = domain.shape;
    rows.par_chunks_exact_mut(shape.row_bytes()).enumerate().for_each_init(
        || vec![[Fr::ZERO]; shape.columns()],
        |buffer, (row, room)| {
            fill(row, buffer);
            write_values(domain, domain.shifts[coset] * domain.row_shifts[row], buffer, room);
        },
    );
}

/// The row whose remainder is in `buffer`, as bytes.
pub fn write_values(domain: &Domain, shift: Fr, buffer: &mut [Row], room: &mut [u8]) {
    domain.across.forward(buffer, &domain.across.coset(shift));
    for (column, unit) in room.chunks_exact_mut(UNIT_BYTES).enumerate() {
        write_element(buffer[domain.across.place(column)][0], unit);
    }
}

/// The blocks as one polynomial.
fn in_order(shape: Shape, panels: &[Group], mut room: Vec<Group>) -> Vec<Fr> {
    room.par_chunks_exact_mut(shape.columns() / LANES).enumerate().for_each(|(block, groups)| {
        for (group, target) in groups.iter_mut().enumerate() {
            *target = panels[group * shape.rows() + block];
        }
    });
    room.into_flattened()
}

/// An element of 32 little-endian bytes that are below the modulus.
pub fn element(bytes: &[u8]) -> Fr {
    unreduced(bytes) * montgomery_square()
}

/// The number in 32 little-endian bytes, taken for the inner form of an element; one multiplication by `montgomery_square` makes it the
/// element, and can take other factors along.
pub fn unreduced(bytes: &[u8]) -> Fr {
    let mut limbs = [0; 4];
    for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *limb = u64::from_le_bytes(*bytes);
    }
    Fr::new_unchecked(BigInt::new(limbs))
}

/// What turns `unreduced` into the element.
pub fn montgomery_square() -> Fr {
    // The inner form of an element x is x·R, so the element whose inner form is R² mod p times an inner form n gives n·R.
    Fr::new_unchecked(FrConfig::R2)
}

/// An element as 32 little-endian bytes.
pub fn write_element(value: Fr, room: &mut [u8]) {
    for (limb, bytes) in value.into_bigint().0.iter().zip(room.as_chunks_mut::<8>().0) {
        *bytes = limb.to_le_bytes();
    }
}

/// Whether 32 little-endian bytes are below the modulus.
pub fn is_canonical(bytes: &[u8]) -> bool {
    unreduced(bytes).0 < Fr::MODULUS
}
