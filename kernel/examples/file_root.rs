//! How fast files are hashed on each path of this processor, on one thread and on all: `cargo run --release --example file_root`.

use std::error::Error;
use std::time::Instant;

use _kernel::hash::HashPath;
use _kernel::merkle::FileTree;
use rayon::ThreadPoolBuilder;

const FILE_BYTES: usize = 1 << 30;
const SMALL_BYTES: usize = 4096;
const GIBIBYTE: f64 = (1u64 << 30) as f64;
const RUNS: usize = 3;

/// The fastest of a few runs, in GiB/s.
fn best_rate(bytes: usize, mut run: impl FnMut()) -> f64 {
    let rates = (0..RUNS).map(|_| {
        let start = Instant::now();
        run();
        bytes as f64 / GIBIBYTE / start.elapsed().as_secs_f64()
    });
    rates.fold(0.0, f64::max)
}

fn main() -> Result<(), Box<dyn Error>> {
    let data: Vec<u8> = (0..FILE_BYTES as u32).map(|index| (index % 251) as u8).collect();
    let all = std::thread::available_parallelism()?.get();
    for path in HashPath::available() {
        for threads in [1, all] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
            let rate = pool.install(|| best_rate(FILE_BYTES, || drop(std::hint::black_box(FileTree::new(path, &data)))));
            println!("{:<10} file of 1 GiB, {threads} thread(s) {rate:>9.3} GiB/s", path.name());
        }
        let small = &data[..FILE_BYTES / 16];
        let rate =
            best_rate(small.len(), || small.chunks(SMALL_BYTES).for_each(|file| drop(std::hint::black_box(FileTree::new(path, file)))));
        println!("{:<10} files of 4 KiB, 1 thread  {:>12.0} files/s", path.name(), rate * GIBIBYTE / SMALL_BYTES as f64);
    }
    Ok(())
}
