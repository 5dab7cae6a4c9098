//! Print what one unit of multiplication, 2^20 points of BN254, costs arkworks and this crate in one run: `cargo run --release --example multiplication`.

use ark_bn254::{Fr, G1Projective};
use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_ff::Field;
use std::time::Instant;
use zerog_amt::batch::Kernel;
use zerog_amt::msm::{Plan, SCALAR_BITS, Task, multiply, multiply_one};
use zerog_amt::windows::{Generator, Table};

fn main() {
    let unit = 1 << 20;
    let scalars: Vec<Fr> =
        std::iter::successors(Some(Fr::from(7_u64).pow([0xfeed])), |value| Some(value.square() + Fr::from(3_u64))).take(unit).collect();
    let start = Instant::now();
    let generator = Generator::new(Kernel::best());
    println!("table of the generator {:.3} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let packed = generator.multiply(&scalars);
    println!("2^20 multiples of the generator {:.3} s", start.elapsed().as_secs_f64());
    let points: Vec<_> = packed.iter().map(|point| Kernel::best().unpack(point)).collect();
    let start = Instant::now();
    let expected = G1Projective::msm_unchecked(&points, &scalars);
    println!("unit by arkworks {:.3} s", start.elapsed().as_secs_f64());
    for kernel in [Kernel::Portable, Kernel::best()] {
        let packed: Vec<_> = points.iter().map(|point| kernel.pack(point)).collect();
        let start = Instant::now();
        let sum = multiply_one(kernel, &packed, &scalars);
        println!("unit {kernel:?} {:.3} s", start.elapsed().as_secs_f64());
        assert_eq!(kernel.unpack(&sum), expected.into_affine());
        let tasks: Vec<_> = packed.chunks(1024).zip(scalars.chunks(1024)).map(|(points, scalars)| Task { points, scalars }).collect();
        let start = Instant::now();
        let sums = multiply(kernel, Plan::plain(1024, SCALAR_BITS), &tasks);
        println!("unit of 1024 x 1024 {kernel:?} {:.3} s", start.elapsed().as_secs_f64());
        assert_eq!(sums.iter().map(|sum| kernel.unpack(sum)).fold(G1Projective::default(), |sum, point| sum + point), expected);
        let start = Instant::now();
        if let Some(table) = Table::new(kernel, &packed[..1024]) {
            println!("table of 1024 {kernel:?} {:?} {:.3} s", table.plan, start.elapsed().as_secs_f64());
            let start = Instant::now();
            let sums = table.multiply(kernel, &scalars.chunks(1024).collect::<Vec<_>>());
            println!("unit of 1024 x table {kernel:?} {:.3} s ({} sums)", start.elapsed().as_secs_f64(), sums.len());
        }
    }
}
