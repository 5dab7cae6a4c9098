//! A blob from any third of its encoded rows.
//!
//! A row gives the remainder of the polynomial modulo `X^columns - z`, so each coefficient of the remainders is a code of its own: a
//! polynomial P of degree below `rows`, known at the z of the rows at hand. All z are roots of unity of order `4 · rows`, three cosets of
//! which can be known. With Z, which is zero at every z that is not at hand, P·Z is known everywhere; it is reduced modulo `X^rows - σ` for
//! a coset on which Z has no zero, and divided there. Z is the same for all columns.

use crate::blob::{PaddingError, read};
use crate::domain::Domain;
use crate::ntt::{inverse, powers_of, root_of_unity};
use crate::rows::{Group, LANES, is_canonical, montgomery_square, remainder, write_values};
use crate::shape::{COSETS, Shape, UNIT_BYTES};
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field, batch_inversion};
use rayon::prelude::*;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why rows do not give a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecoveryError {
    #[error("{found} different rows are too few: any {needed} of a blob's rows give it back")]
    TooFewRows { found: usize, needed: usize },
    #[error("row {0} is no row of an encoded blob: it has another length, an element that is none, or an index that is too high")]
    Row(usize),
    #[error("the rows are not of a blob: {0}")]
    NotABlob(#[from] PaddingError),
}

/// The blob whose encoded rows, with their indexes, are among `rows`. Of two rows with one index the first counts, of more than are needed
/// the lowest ones.
pub fn recover(shape: Shape, rows: &[(usize, &[u8])]) -> Result<Vec<u8>, RecoveryError> {
    let faulty = rows.par_iter().find_first(|(index, row)| !is_row(shape, *index, row));
    if let Some((index, _)) = faulty {
        return Err(RecoveryError::Row(*index));
    }
    let mut known = BTreeMap::new();
    for (index, row) in rows {
        known.entry(*index).or_insert(*row);
    }
    if known.len() < shape.rows() {
        return Err(RecoveryError::TooFewRows { found: known.len(), needed: shape.rows() });
    }
    let known: Vec<(usize, &[u8])> = known.into_iter().take(shape.rows()).collect();
    let present = known.iter().take_while(|(index, _)| *index < shape.rows()).count();
    let missing: Vec<usize> = {
        let mut indexes = known[..present].iter().map(|(index, _)| *index).peekable();
        (0..shape.rows()).filter(|row| indexes.next_if_eq(row).is_none()).collect()
    };
    let restored = if missing.is_empty() { Vec::new() } else { restore(Domain::of(shape), &known, &missing) };
    let mut rest = restored.chunks_exact(shape.row_bytes());
    let mut at_hand = known[..present].iter().peekable();
    let all = (0..shape.rows()).filter_map(|row| match at_hand.next_if(|(index, _)| *index == row) {
        Some((_, bytes)) => Some(*bytes),
        None => rest.next(),
    });
    Ok(read(shape, all)?)
}

fn is_row(shape: Shape, index: usize, row: &[u8]) -> bool {
    index < shape.encoded_rows() && row.len() == shape.row_bytes() && row.chunks_exact(UNIT_BYTES).all(is_canonical)
}

/// The `missing` rows of the first coset, one after another.
fn restore(domain: &Domain, known: &[(usize, &[u8])], missing: &[usize]) -> Vec<u8> {
    let shape = domain.shape;
    let groups = shape.columns() / LANES;
    let code = Code::new(domain, known);
    let mut remainders = vec![[Fr::ZERO; LANES]; shape.elements() / LANES];
    remainders.par_chunks_exact_mut(groups).zip(known).zip(&code.weights).for_each_init(
        || vec![[Fr::ZERO]; shape.columns()],
        |buffer, ((room, (index, row)), weight)| {
            remainder(domain, row, *weight, inverse(domain.row_shift(*index)), buffer);
            room.as_flattened_mut().copy_from_slice(buffer.as_flattened());
        },
    );
    let mut panels = vec![[Fr::ZERO; LANES]; groups * missing.len()];
    panels.par_chunks_exact_mut(missing.len()).enumerate().for_each(|(group, room)| {
        let column = |place: usize| remainders[place * groups + group];
        let values = code.values_of_blob(domain, known, column);
        for (target, row) in room.iter_mut().zip(missing) {
            *target = values[domain.down.place(*row)];
        }
    });
    let mut restored = vec![0; missing.len() * shape.row_bytes()];
    restored.par_chunks_exact_mut(shape.row_bytes()).enumerate().for_each_init(
        || vec![[Fr::ZERO]; shape.columns()],
        |buffer, (place, room)| {
            for (group, target) in buffer.as_flattened_mut().as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                *target = panels[group * missing.len() + place];
            }
            write_values(domain, domain.row_shifts[missing[place]], buffer, room);
        },
    );
    restored
}

/// What decoding needs to know about which rows are at hand.
struct Code {
    /// What to scale each row at hand with: `Z(z)`, and the factors that its transform leaves.
    weights: Vec<Fr>,
    /// For each coset, the factor of its part of P·Z modulo `X^rows - σ`; `None` if no row of it is at hand.
    parts: [Option<Fr>; COSETS],
    /// The shift of the coset on which P·Z is divided.
    shift: Fr,
    /// `1 / Z` there, in the order of values, and the factors that the transforms leave.
    divisors: Vec<Fr>,
}

impl Code {
    fn new(domain: &Domain, known: &[(usize, &[u8])]) -> Self {
        let shape = domain.shape;
        let rows = shape.rows();
        let points: Vec<Fr> = known.iter().map(|(index, _)| domain.row_shift(*index).pow([shape.columns() as u64])).collect();
        let at_other = |point: &Fr| points.iter().filter(|other| *other != point).map(|other| *point - other).product::<Fr>();
        // Z = (X^(4 rows) - 1) / N with N zero at the points at hand, so at such a point z it is 4 rows / (z N'(z)).
        let mut weights: Vec<Fr> = points.par_iter().map(|point| *point * at_other(point)).collect();
        batch_inversion(&mut weights);
        let scale = Fr::from(4 * rows as u64) * inverse(Fr::from(shape.columns() as u64)) * montgomery_square();
        weights.iter_mut().for_each(|weight| *weight *= scale);
        let shift = root_of_unity(shape.log_rows + 3);
        let high = shift.pow([rows as u64]);
        // Two transforms back leave their size each.
        let scale = inverse((high.pow([4]) - Fr::ONE) * Fr::from((rows * rows) as u64));
        let values: Vec<Fr> = powers_of(root_of_unity(shape.log_rows)).take(rows).map(|root| shift * root).collect();
        let nodes: Vec<Fr> = values.par_iter().map(|value| points.iter().map(|point| *value - point).product::<Fr>() * scale).collect();
        let divisors = (0..rows).map(|place| nodes[domain.down.place(place)]).collect();
        Self { weights, parts: parts_of(domain, known, high), shift, divisors }
    }

    /// The values of P on the first coset, in the order of a transform; `column` gives the scaled value of each row at hand.
    fn values_of_blob(&self, domain: &Domain, known: &[(usize, &[u8])], column: impl Fn(usize) -> Group) -> Vec<Group> {
        let rows = domain.shape.rows();
        let mut product = vec![[Fr::ZERO; LANES]; rows];
        let mut part = product.clone();
        for (coset, factor) in self.parts.iter().enumerate() {
            let Some(factor) = factor else { continue };
            part.fill([Fr::ZERO; LANES]);
            for (place, (index, _)) in known.iter().enumerate().filter(|(_, (index, _))| index / rows == coset) {
                part[domain.down.place(index % rows)] = column(place);
            }
            let shift = domain.shifts[coset].pow([domain.shape.columns() as u64]);
            domain.down.backward(&mut part, &domain.down.coset(inverse(shift)));
            for (sum, value) in product.as_flattened_mut().iter_mut().zip(part.as_flattened()) {
                *sum += *value * factor;
            }
        }
        domain.down.forward(&mut product, &domain.down.coset(self.shift));
        for (values, divisor) in product.iter_mut().zip(&self.divisors) {
            values.iter_mut().for_each(|value| *value *= divisor);
        }
        domain.down.backward(&mut product, &domain.down.coset(inverse(self.shift)));
        domain.down.forward(&mut product, &domain.down.coset(Fr::ONE));
        product
    }
}

/// The Lagrange factors at σ over the four values that `z^rows` takes; the fourth coset is never at hand, where P·Z is zero.
fn parts_of(domain: &Domain, known: &[(usize, &[u8])], high: Fr) -> [Option<Fr>; COSETS] {
    let [first, second, third] = domain.shifts.map(|shift| shift.pow([domain.shape.elements() as u64]));
    let all = [first, second, third, -third];
    std::array::from_fn(|coset| {
        let at_hand = known.iter().any(|(index, _)| index / domain.shape.rows() == coset);
        let others = || all.iter().enumerate().filter(|(other, _)| *other != coset);
        let numerator: Fr = others().map(|(_, value)| high - value).product();
        let denominator: Fr = others().map(|(_, value)| all[coset] - value).product();
        at_hand.then(|| numerator * inverse(denominator))
    })
}
