//! Threads for work that takes seconds and that nobody waits for in milliseconds: they leave the processors to those who do.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::OnceLock;

/// As for `nice`: the share of a thread falls by a tenth with each step.
#[cfg(target_os = "linux")]
const NICE: libc::c_int = 10;

/// Run `compute` on the background threads; what it hands to rayon stays there. Waits for the result.
pub fn run<T: Send>(compute: impl FnOnce() -> T + Send) -> T {
    static THREADS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let make =
        || ThreadPoolBuilder::new().thread_name(|index| format!("background-{index}")).start_handler(|_| lower_priority()).build().ok();
    match THREADS.get_or_init(make) {
        Some(threads) => threads.install(compute),
        // Without threads of its own the work is done beside all other.
        None => compute(),
    }
}

/// Priorities are of threads on Linux alone; elsewhere all work has the same.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the call takes three numbers and touches no memory; 0 is the calling thread. A refusal leaves the priority as it was.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    }
}
