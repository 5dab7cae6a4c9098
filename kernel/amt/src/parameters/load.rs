//! Load a setup from its files, and try on a few points whether they belong together.

use super::source::{Form, Source, pack_words};
use super::{MAGIC, ParameterError, SHAPES, digests, powers_name, prove_name, verify_name};
use crate::batch::{Kernel, Packed, Scratch};
use crate::domain::Domain;
use crate::msm::{fold_sets, multiply_one};
use crate::ntt::{Transform, inverse, powers_of, reversed};
use crate::pairing::{PairingVerifier, multiply_to_one};
use crate::prove::SrsProver;
use crate::setup::{Prover, Setup, SetupError, fingerprint, scalar_from_bytes};
use crate::shape::{COSETS, Shape};
use crate::srs::{High, Quotients, Srs};
use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;
use rayon::prelude::*;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Points that are summed together.
const SUM_POINTS: usize = 1 << 10;

/// Whose digests the files must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those that the official project publishes.
    Official,
    /// Those of the folder's own list, where there is one.
    Folder,
}

/// What a setup is for; a prover needs more files and more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Prove,
    Verify,
}

/// Load the setup in `folder`. Needs the verify file of each coset or its prove file; to prove, also the powers of τ. The prove file of
/// coset 0 makes small blobs quick. Errors name the file, the place in it and the cause.
pub fn load(folder: &Path, trust: Trust, purpose: Purpose) -> Result<Setup, SetupError> {
    let shape = shape_of(folder)?;
    let loader = Loader { folder, shape, kernel: Kernel::best(), digests: digests(folder, trust)? };
    let mut cosets = Vec::new();
    for coset in 0..COSETS {
        cosets.push(loader.coset(coset, purpose)?);
    }
    let [first, second, third] = <[Coset; COSETS]>::try_from(cosets).map_err(|_| SetupError("a coset is missing".into()))?;
    let extra = first.extra;
    let verifier = PairingVerifier {
        shape,
        kernel: loader.kernel,
        lagrange: [first.basis, second.basis, third.basis].map(Arc::new),
        vanishing: [first.vanishing, second.vanishing, third.vanishing],
        high: first.high,
    };
    if [second.high, third.high] != [first.high; 2] {
        return Err(SetupError(format!("{}: the files of the cosets are of different setups", folder.display())));
    }
    check_bases(&verifier, folder)?;
    let prover = match purpose {
        Purpose::Prove => Some(Arc::new(loader.prover(&verifier, extra)?) as Arc<dyn Prover>),
        Purpose::Verify => None,
    };
    let fingerprint = fingerprint(shape, &verifier.vanishing[0][0][0], &verifier.high);
    Ok(Setup { shape, prover, verifier: Arc::new(verifier), fingerprint, knows_tau: false })
}

fn shape_of(folder: &Path) -> Result<Shape, SetupError> {
    let has = |shape: &Shape| [verify_name(*shape, 0), prove_name(*shape, 0)].iter().any(|name| folder.join(name).exists());
    let missing =
        || SetupError(format!("{}: neither {} nor {} is here", folder.display(), verify_name(SHAPES[0], 0), prove_name(SHAPES[0], 0)));
    SHAPES.into_iter().find(has).ok_or_else(missing)
}

struct Loader<'a> {
    folder: &'a Path,
    shape: Shape,
    kernel: Kernel,
    digests: HashMap<String, String>,
}

struct Coset {
    basis: Vec<Packed>,
    vanishing: Vec<Vec<G2Affine>>,
    high: G2Affine,
    extra: Option<Extra>,
}

/// What only the prove file of coset 0 has.
struct Extra {
    high: Vec<Packed>,
    quotients: QuotientFile,
}

impl Loader<'_> {
    fn coset(&self, coset: usize, purpose: Purpose) -> Result<Coset, ParameterError> {
        let [verify, prove] = [verify_name(self.shape, coset), prove_name(self.shape, coset)];
        let wants_prove = coset == 0 && purpose == Purpose::Prove;
        let use_prove = if wants_prove { self.folder.join(&prove).exists() } else { !self.folder.join(&verify).exists() };
        if use_prove { self.prove_file(&prove, wants_prove) } else { self.verify_file(&verify) }
    }

    fn verify_file(&self, name: &str) -> Result<Coset, ParameterError> {
        let mut source = Source::open(self.folder, name)?;
        source.count(self.shape.elements())?;
        let basis = source.g1(Form::Flagged, self.shape.elements(), self.kernel)?;
        source.count(self.shape.depth() as usize)?;
        let mut vanishing = Vec::new();
        for level in 1..=self.shape.depth() {
            source.count(1 << level)?;
            vanishing.push(source.g2(Form::Flagged, 1 << level)?);
        }
        let high = generator_and_high(&mut source)?;
        source.finish(self.digests.get(name))?;
        Ok(Coset { basis, vanishing, high, extra: None })
    }

    fn prove_file(&self, name: &str, all: bool) -> Result<Coset, ParameterError> {
        let (elements, depth) = (self.shape.elements(), self.shape.depth());
        let mut source = Source::open(self.folder, name)?;
        let expected = [MAGIC.as_slice(), &[self.shape.log_elements() as u8, depth as u8]].concat();
        if source.take(expected.len())? != expected {
            return source.fail(0, "not the beginning of a prove file of this size");
        }
        let high = generator_and_high(&mut source)?;
        let basis = source.g1(Form::Words, elements, self.kernel)?;
        let start = source.offset();
        source.skip((depth as usize * elements * Form::Words.g1_bytes()) as u64)?;
        let mut vanishing = Vec::new();
        for level in 1..=depth {
            vanishing.push(source.g2(Form::Words, 1 << level)?);
        }
        let high_basis = if all {
            source.g1(Form::Words, elements, self.kernel)?
        } else {
            source.skip((elements * Form::Words.g1_bytes()) as u64)?;
            Vec::new()
        };
        let file = source.finish(self.digests.get(name))?;
        let quotients = QuotientFile { shape: self.shape, kernel: self.kernel, file, start };
        Ok(Coset { basis, vanishing, high, extra: all.then_some(Extra { high: high_basis, quotients }) })
    }

    /// Powers of τ below the number of elements, `[τ]₂`, and, if wanted, the powers from D on.
    fn powers(&self, wants_high: bool) -> Result<(Vec<Packed>, G2Affine, Vec<Packed>, G2Affine), ParameterError> {
        let (name, elements) = (powers_name(self.shape), self.shape.elements());
        let mut source = Source::open(self.folder, &name)?;
        source.count(elements)?;
        let powers = source.g1(Form::Compressed, elements, self.kernel)?;
        source.count(elements)?;
        let first = source.g2(Form::Compressed, 2)?;
        source.skip(((elements - 2) * Form::Compressed.g2_bytes()) as u64)?;
        source.count(elements)?;
        let high_powers = if wants_high {
            source.g1(Form::Compressed, elements, self.kernel)?
        } else {
            source.skip((elements * Form::Compressed.g1_bytes()) as u64)?;
            Vec::new()
        };
        let high = source.g2(Form::Compressed, 1)?[0];
        source.finish(self.digests.get(&name))?;
        Ok((powers, first[1], high_powers, high))
    }

    fn prover(&self, verifier: &PairingVerifier, extra: Option<Extra>) -> Result<SrsProver, SetupError> {
        let (powers, tau, high_powers, high) = self.powers(extra.is_none())?;
        if high != verifier.high {
            return Err(SetupError(format!("{}: the powers of τ are of another setup than the cosets", self.folder.display())));
        }
        let (high, quotients) = match extra {
            Some(extra) => (High::Lagrange(extra.high), Some(Box::new(extra.quotients) as Box<dyn Quotients>)),
            None => (High::Powers(high_powers), None),
        };
        let lagrange = [0, 1].map(|coset| verifier.lagrange[coset].clone());
        let srs = Srs { shape: self.shape, kernel: self.kernel, powers, lagrange, high, quotients };
        check_powers(verifier, &srs, tau, self.folder)?;
        Ok(SrsProver::new(srs))
    }
}

fn generator_and_high(source: &mut Source) -> Result<G2Affine, ParameterError> {
    let start = source.offset();
    let points = source.g2(Form::Flagged, 2)?;
    if points[0] == G2Affine::generator() { Ok(points[1]) } else { source.fail(start, "not the generator of G2") }
}

/// The quotients in a prove file, read where they are needed.
struct QuotientFile {
    shape: Shape,
    kernel: Kernel,
    file: File,
    start: u64,
}

impl Quotients for QuotientFile {
    fn of_leaf(&self, level: u32, leaf: usize) -> Option<Vec<Packed>> {
        let bytes = Form::Words.g1_bytes();
        let first = (level as usize - 1) * self.shape.elements() + leaf * self.shape.columns();
        let mut room = vec![0; self.shape.columns() * bytes];
        self.file.read_exact_at(&mut room, self.start + (first * bytes) as u64).ok()?;
        room.chunks_exact(bytes).map(|point| pack_words(self.kernel, point)).collect()
    }
}

/// The values of 1 are a polynomial's, so a basis sums to the generator.
fn check_bases(verifier: &PairingVerifier, folder: &Path) -> Result<(), SetupError> {
    let fold = |points: &[Packed], scratch: &mut Scratch| fold_sets(verifier.kernel, points.to_vec(), points.len(), scratch)[0];
    for (coset, basis) in verifier.lagrange.iter().enumerate() {
        let parts: Vec<_> = basis.par_chunks(SUM_POINTS).map_init(Scratch::default, |scratch, part| fold(part, scratch)).collect();
        if verifier.kernel.unpack(&fold(&parts, &mut Scratch::default())) != G1Affine::generator() {
            return Err(SetupError(format!("{}: the basis of coset {coset} does not sum to the generator", folder.display())));
        }
    }
    Ok(())
}

/// Whether powers, bases, vanishing points and quotients are of one τ, on one leaf of each coset that the fingerprint picks.
fn check_powers(verifier: &PairingVerifier, srs: &Srs, tau: G2Affine, folder: &Path) -> Result<(), SetupError> {
    let shape = srs.shape;
    let wrong = |what: &str| Err(SetupError(format!("{}: {what}", folder.display())));
    let digest = fingerprint(shape, &verifier.vanishing[0][0][0], &verifier.high);
    let leaf = usize::from(u16::from_le_bytes([digest[0], digest[1]])) % shape.rows();
    let power = |index: usize| srs.kernel.unpack(&srs.powers[index]);
    let half = (verifier.vanishing[0][0][0] - G2Affine::generator()).into_affine();
    let generator = G1Affine::generator();
    let neighbours = [0, 1, leaf, shape.elements() - 2];
    let steps = neighbours.iter().all(|index| multiply_to_one(&[(power(index + 1), G2Affine::generator()), (-power(*index), tau)]));
    if power(0) != generator || !steps || !multiply_to_one(&[(power(shape.elements() / 2), G2Affine::generator()), (-generator, half)]) {
        return wrong("the powers of τ are not those of the cosets' τ");
    }
    let columns = shape.columns();
    let values: Vec<_> = powers_of(scalar_from_bytes(&digest)).take(columns).collect();
    let block = |points: &[Packed]| srs.kernel.unpack(&multiply_one(srs.kernel, &points[leaf * columns..(leaf + 1) * columns], &values));
    for coset in 0..COSETS {
        let commitment = block(&verifier.lagrange[coset]);
        let quotient = quotient_of_leaf(srs, leaf, &values, coset);
        let vanishing = verifier.vanishing[coset][shape.depth() as usize - 1][leaf];
        if !multiply_to_one(&[(commitment, G2Affine::generator()), (-quotient, vanishing)]) {
            return wrong(&format!("basis and vanishing points of coset {coset} are not of the τ of the powers"));
        }
    }
    let commitment = block(&verifier.lagrange[0]);
    if let High::Lagrange(points) = &srs.high
        && !multiply_to_one(&[(block(points), G2Affine::generator()), (-commitment, verifier.high)])
    {
        return wrong("the high basis is not of this setup");
    }
    let Some(quotients) = &srs.quotients else { return Ok(()) };
    for level in 1..=shape.depth() {
        let Some(points) = quotients.of_leaf(level, leaf) else { return wrong("the quotients cannot be read") };
        let quotient = srs.kernel.unpack(&multiply_one(srs.kernel, &points, &values));
        let vanishing = verifier.vanishing[0][level as usize - 1][leaf >> (shape.depth() - level)];
        if !multiply_to_one(&[(commitment, G2Affine::generator()), (-quotient, vanishing)]) {
            return wrong(&format!("the quotients of level {level} are not of this setup"));
        }
    }
    Ok(())
}

/// The quotient of a polynomial that has these values, in the order of the basis, on one row of a coset and is zero elsewhere: the row's
/// remainder times `c / rows`.
fn quotient_of_leaf(srs: &Srs, leaf: usize, values: &[Fr], coset: usize) -> G1Affine {
    let (shape, domain) = (srs.shape, Domain::of(srs.shape));
    let row = reversed(leaf, shape.log_rows);
    let transform: &Transform = &domain.across;
    let mut buffer: Vec<[Fr; 1]> = values.iter().map(|value| [*value]).collect();
    // Values come in bit-reversed order, as the basis has them. The remainder is in X; the coset's own variable is X / h_k.
    transform.backward(&mut buffer, &transform.coset(domain.inverse_row_shifts[row]));
    let root = domain.row_shifts[row].pow([shape.columns() as u64]);
    let scale = root * inverse(Fr::from(shape.elements() as u64));
    let unshift = inverse(domain.shifts[coset]);
    let scalars: Vec<_> = buffer.iter().zip(powers_of(unshift)).map(|([value], power)| *value * scale * power).collect();
    srs.kernel.unpack(&multiply_one(srs.kernel, &srs.powers[..shape.columns()], &scalars))
}
