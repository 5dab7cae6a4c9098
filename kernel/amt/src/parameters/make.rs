//! Write the files of a setup for a τ that the caller draws and forgets.

use super::{MAGIC, MANIFEST, powers_name, prove_name, verify_name};
use crate::batch::Kernel;
use crate::curve::to_flagged;
use crate::setup::SetupError;
use crate::shape::{COSETS, Shape};
use crate::srs::Scalars;
use crate::windows::Generator;
use ark_bn254::{Fr, G1Affine, G2Affine, G2Projective};
use ark_ec::scalar_mul::BatchMulPreprocessing;
use ark_ec::{AffineRepr, PrimeGroup};
use ark_ff::Field;
use ark_serialize::CanonicalSerialize;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Points that are made and written together.
const AT_ONCE: usize = 1 << 14;

/// Write verify files of the three cosets, the prove file of coset 0, the powers of τ, and last the list of their digests, which makes the
/// folder a setup. 1.1 GB in production size. Refuses a folder that has a setup: blobs that were signed under it need it.
pub fn make(folder: &Path, shape: Shape, tau: Fr) -> Result<(), SetupError> {
    let failed = |error: std::io::Error| SetupError(format!("{}: {error}", folder.display()));
    let scalars = Scalars::new(shape, tau);
    if !scalars.is_usable() {
        return Err(SetupError("this τ is zero or one of the points of the code; choose another".into()));
    }
    if folder.join(MANIFEST).exists() {
        return Err(SetupError(format!("{} holds a setup already; choose another folder", folder.display())));
    }
    std::fs::create_dir_all(folder).map_err(failed)?;
    let maker = Maker { folder, shape, scalars, generator: Generator::new(Kernel::best()), table: table(shape) };
    maker.write_all().map_err(failed)
}

fn table(shape: Shape) -> BatchMulPreprocessing<G2Projective> {
    BatchMulPreprocessing::new(G2Projective::generator(), shape.elements())
}

struct Maker<'a> {
    folder: &'a Path,
    shape: Shape,
    scalars: Scalars,
    generator: Generator,
    table: BatchMulPreprocessing<G2Projective>,
}

impl Maker<'_> {
    fn write_all(&self) -> std::io::Result<()> {
        let mut sums = String::new();
        for coset in 0..COSETS {
            let name = verify_name(self.shape, coset);
            sums += &self.write(&name, |sink| self.verify_file(sink, coset))?;
        }
        sums += &self.write(&powers_name(self.shape), |sink| self.powers_file(sink))?;
        sums += &self.write(&prove_name(self.shape, 0), |sink| self.prove_file(sink))?;
        self.write(MANIFEST, |sink| sink.put(sums.as_bytes())).map(drop)?;
        File::open(self.folder)?.sync_all()
    }

    /// Write a file under another name until it is whole and durable. Returns its line in the list of digests.
    fn write(&self, name: &str, fill: impl FnOnce(&mut Sink) -> std::io::Result<()>) -> std::io::Result<String> {
        let part = self.folder.join(format!("{name}.part"));
        let mut sink = Sink { file: File::create(&part)?, hash: Sha256::new() };
        fill(&mut sink)?;
        sink.file.sync_all()?;
        std::fs::rename(&part, self.folder.join(name))?;
        let digest: String = sink.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("{digest}  {name}\n"))
    }

    fn verify_file(&self, sink: &mut Sink, coset: usize) -> std::io::Result<()> {
        sink.count(self.shape.elements())?;
        self.g1(sink, &self.scalars.lagrange(coset), flagged)?;
        sink.count(self.shape.depth() as usize)?;
        for level in 1..=self.shape.depth() {
            sink.count(1 << level)?;
            self.g2(sink, &self.scalars.vanishing(coset, level), uncompressed)?;
        }
        self.g2(sink, &[Fr::ONE, self.scalars.high()], uncompressed)
    }

    fn prove_file(&self, sink: &mut Sink) -> std::io::Result<()> {
        sink.put(MAGIC)?;
        sink.put(&[self.shape.log_elements() as u8, self.shape.depth() as u8])?;
        self.g2(sink, &[Fr::ONE, self.scalars.high()], uncompressed)?;
        let lagrange = self.scalars.lagrange(0);
        self.g1(sink, &lagrange, words)?;
        for level in 1..=self.shape.depth() {
            self.g1(sink, &self.scalars.quotients(&lagrange, level), words)?;
        }
        for level in 1..=self.shape.depth() {
            self.g2(sink, &self.scalars.vanishing(0, level), g2_words)?;
        }
        let high = self.scalars.high();
        let high_basis: Vec<_> = lagrange.iter().map(|value| *value * high).collect();
        self.g1(sink, &high_basis, words)
    }

    fn powers_file(&self, sink: &mut Sink) -> std::io::Result<()> {
        let powers = self.scalars.powers(Fr::ONE);
        sink.count(self.shape.elements())?;
        self.g1(sink, &powers, compressed)?;
        sink.count(self.shape.elements())?;
        self.g2(sink, &powers, compressed)?;
        sink.count(self.shape.elements())?;
        self.g1(sink, &self.scalars.powers(self.scalars.high()), compressed)?;
        self.g2(sink, &[self.scalars.high()], compressed)
    }

    fn g1(&self, sink: &mut Sink, scalars: &[Fr], form: fn(&G1Affine, &mut Vec<u8>)) -> std::io::Result<()> {
        for scalars in scalars.chunks(AT_ONCE) {
            let mut bytes = Vec::with_capacity(64 * scalars.len());
            for point in self.generator.multiply(scalars) {
                form(&self.generator.kernel().unpack(&point), &mut bytes);
            }
            sink.put(&bytes)?;
        }
        Ok(())
    }

    fn g2(&self, sink: &mut Sink, scalars: &[Fr], form: fn(&G2Affine, &mut Vec<u8>)) -> std::io::Result<()> {
        for scalars in scalars.chunks(AT_ONCE) {
            let mut bytes = Vec::with_capacity(128 * scalars.len());
            for point in self.table.batch_mul(scalars) {
                form(&point, &mut bytes);
            }
            sink.put(&bytes)?;
        }
        Ok(())
    }
}

struct Sink {
    file: File,
    hash: Sha256,
}

impl Sink {
    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hash.update(bytes);
        self.file.write_all(bytes)
    }

    fn count(&mut self, count: usize) -> std::io::Result<()> {
        self.put(&(count as u64).to_le_bytes())
    }
}

fn flagged(point: &G1Affine, bytes: &mut Vec<u8>) {
    bytes.extend(to_flagged(point));
}

fn words(point: &G1Affine, bytes: &mut Vec<u8>) {
    if let Some((x, y)) = point.xy() {
        bytes.extend([x, y].iter().flat_map(|coordinate| coordinate.0.0).flat_map(u64::to_le_bytes));
    }
}

fn g2_words(point: &G2Affine, bytes: &mut Vec<u8>) {
    if let Some((x, y)) = point.xy() {
        bytes.extend([x.c0, x.c1, y.c0, y.c1].iter().flat_map(|coordinate| coordinate.0.0).flat_map(u64::to_le_bytes));
    }
}

fn compressed<T: CanonicalSerialize>(point: &T, bytes: &mut Vec<u8>) {
    // Writing into a vector cannot fail.
    let written = point.serialize_compressed(&mut *bytes);
    debug_assert!(written.is_ok());
}

fn uncompressed(point: &G2Affine, bytes: &mut Vec<u8>) {
    let written = point.serialize_uncompressed(&mut *bytes);
    debug_assert!(written.is_ok());
}
