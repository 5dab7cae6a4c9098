//! Time arkworks' own multiplication of 2^20 points by 2^20 scalars of the field on all cores: a JSON line for each of three runs.

use ark_bn254::{Fq, Fr, G1Projective};
use ark_ec::{AffineRepr, VariableBaseMSM};
use ark_ff::{BigInteger, PrimeField};
use std::time::Instant;

const RUNS: u32 = 3;

fn main() {
    let multiples: Vec<Fr> = (0..1 << 20_u32).map(|index| Fr::from(index + 2)).collect();
    let points = zerog_amt::fixed::generator_multiples(&multiples);
    let scalars: Vec<Fr> = points.iter().map(|point| point.x().map_or(Fr::from(1_u64), scalar)).collect();
    for _ in 0..RUNS {
        let started = Instant::now();
        let sum = G1Projective::msm_unchecked(&points, &scalars);
        let seconds = started.elapsed().as_secs_f64();
        assert_ne!(sum, G1Projective::default());
        println!("{{\"seconds\": {seconds}, \"threads\": {}}}", rayon::current_num_threads());
    }
}

/// A scalar as good as any: the coordinate of a point.
fn scalar(x: Fq) -> Fr {
    Fr::from_le_bytes_mod_order(&x.into_bigint().to_bytes_le())
}
