//! Print what a setup without known τ costs: made, loaded, blobs encoded and slices verified, beside arkworks' unit of 2^20 products in the same run.
//!
//! `cargo run --release --example blob -- FOLDER`: the folder is made first if there is none (1.1 GB), for a τ that is thrown away.

use ark_bn254::{Fr, G1Projective};
use ark_ec::{AffineRepr, VariableBaseMSM};
use std::path::PathBuf;
use std::time::Instant;
use zerog_amt::encode::EncodedBlob;
use zerog_amt::known;
use zerog_amt::merkle::Keccak;
use zerog_amt::parameters::{MANIFEST, Purpose, Trust, load, make};
use zerog_amt::setup::Setup;
use zerog_amt::shape::PRODUCTION;
use zerog_amt::verify::verify;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("which folder?")?);
    if !folder.join(MANIFEST).exists() {
        let mut bytes = [0; 32];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
        timed("make", || make(&folder, PRODUCTION, zerog_amt::setup::scalar_from_bytes(&bytes)))?;
    }
    let setup = timed("load", || load(&folder, Trust::Folder, Purpose::Prove))?;
    println!("    resident {}", resident_mb()?);
    blobs("made", &setup)?;
    drop(setup);
    blobs("known", &known::setup(PRODUCTION, Fr::from(123_456_789_u64))?)?;
    unit();
    Ok(())
}

fn unit() {
    let points = zerog_amt::fixed::generator_multiples(&(0..1 << 20_u32).map(|index| Fr::from(index + 2)).collect::<Vec<_>>());
    let scalars: Vec<Fr> = points.iter().map(|point| point.x().map_or(Fr::from(1_u64), scalar)).collect();
    let sum = timed("arkworks' unit of 2^20 products", || G1Projective::msm_unchecked(&points, &scalars));
    assert_ne!(sum, G1Projective::default());
}

fn scalar(x: ark_bn254::Fq) -> Fr {
    use ark_ff::{BigInteger, PrimeField};
    Fr::from_le_bytes_mod_order(&x.into_bigint().to_bytes_le())
}

fn blobs(name: &str, setup: &Setup) -> Result<(), Failure> {
    for length in [PRODUCTION.bytes_max(), 131_072, 1] {
        let data: Vec<u8> = (0..length).map(|index: usize| (index * index + 3 * index) as u8 ^ (index >> 9) as u8).collect();
        let blob = timed(&format!("{name}: encode {length} bytes"), || EncodedBlob::new(setup, &Keccak::PLAIN, &data))?;
        println!("    resident {}", resident_mb()?);
        let slices: Vec<_> = (0..PRODUCTION.encoded_rows()).map(|index| blob.slice(index)).collect();
        let views: Vec<&[u8]> = slices.iter().map(Vec::as_slice).collect();
        for views in [&views[..1], &views[..1024], &views[..]] {
            let verified = timed(&format!("{name}: verify {} slices", views.len()), || {
                verify(setup, &Keccak::PLAIN, views, &blob.data_root(), blob.commitment())
            });
            assert_eq!(verified.map(|rows| rows.len()), Ok(views.len()));
        }
    }
    Ok(())
}

/// Now and at most so far.
fn resident_mb() -> Result<String, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let of = |name: &str| -> Result<u64, Failure> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
        Ok(line.split_whitespace().next().ok_or("no number")?.parse::<u64>()? / 1000)
    };
    Ok(format!("{} MB, at most {} MB", of("VmRSS:")?, of("VmHWM:")?))
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (start, worked) = (Instant::now(), processor_s());
    let result = run();
    println!("{what}: {:.2} s, {:.2} s of processor time", start.elapsed().as_secs_f64(), processor_s() - worked);
    result
}

/// Of all threads; the kernel counts in hundredths of a second.
fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
