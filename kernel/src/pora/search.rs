//! Threads that search while there is work, at the lowest priority and without any lock of Python, so that whoever needs the processor gets it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{Hash, Hit, LoadError, NONCES_AT_ONCE, Probe, SealedLoads, Tally, Work};
use crate::hash::HashPath;

/// Hits that wait to be taken. The search pauses when nobody does.
const HITS_MAX: usize = 16;
/// How low the priority is: the most that a system has.
const NICE: i32 = 19;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchOptions {
    pub threads: usize,
    /// Of the time, how much a thread computes, above 0 and up to 1.
    pub share: f64,
}

struct Job {
    work: Option<Work>,
    /// Where the nonces of the work begin, each thread at its own place.
    first_nonce: Hash,
    /// Rises with every change of work.
    turn: u64,
    hits: Vec<Hit>,
    failure: Option<String>,
    is_over: bool,
}

struct Shared {
    path: HashPath,
    loads: Arc<SealedLoads>,
    options: SearchOptions,
    tally: Tally,
    job: Mutex<Job>,
    changed: Condvar,
    /// The same as in the job, to be looked at between groups.
    turn: AtomicU64,
}

/// A running search. Dropping it ends its threads.
pub struct Search {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Search {
    /// Begin without work.
    pub fn start(path: HashPath, loads: Arc<SealedLoads>, options: SearchOptions) -> io::Result<Self> {
        let job = Job { work: None, first_nonce: [0; 32], turn: 0, hits: Vec::new(), failure: None, is_over: false };
        let (tally, turn) = (Tally::default(), AtomicU64::new(0));
        let shared = Arc::new(Shared { path, loads, options, tally, job: Mutex::new(job), changed: Condvar::new(), turn });
        let mut search = Self { shared, threads: Vec::new() };
        for index in 0..options.threads {
            let shared = Arc::clone(&search.shared);
            search.threads.push(thread::Builder::new().name(format!("zerog-mine-{index}")).spawn(move || shared.run(index))?);
        }
        Ok(search)
    }

    /// Search for this from now on, or pause. Hits of other work are thrown away.
    pub fn set_work(&self, work: Option<Work>, first_nonce: Hash) {
        let mut job = self.shared.job.lock();
        job.work = work;
        job.first_nonce = first_nonce;
        job.turn += 1;
        job.hits.clear();
        self.shared.turn.store(job.turn, Ordering::Relaxed);
        drop(job);
        self.shared.changed.notify_all();
    }

    /// The oldest hit that nobody took, or what ended the search.
    pub fn take(&self) -> Result<Option<Hit>, String> {
        let mut job = self.shared.job.lock();
        if let Some(cause) = &job.failure {
            return Err(cause.clone());
        }
        if job.hits.is_empty() {
            return Ok(None);
        }
        let hit = job.hits.remove(0);
        drop(job);
        self.shared.changed.notify_all();
        Ok(Some(hit))
    }

    pub fn tally(&self) -> &Tally {
        &self.shared.tally
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.shared.job.lock().is_over = true;
        self.shared.turn.store(u64::MAX, Ordering::Relaxed);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // It does not panic; if it did, there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self, thread: usize) {
        lower_priority();
        while let Some((turn, work, first_nonce)) = self.await_work() {
            let mut nonce = first_nonce;
            nonce[16..24].copy_from_slice(&(thread as u64).to_be_bytes());
            let mut probe = Probe::new(self.path, work, nonce);
            while self.turn.load(Ordering::Relaxed) == turn && self.step(&mut probe, turn) {}
        }
    }

    /// Work for which there is room for hits; nothing when the search is over.
    fn await_work(&self) -> Option<(u64, Work, Hash)> {
        let mut job = self.job.lock();
        loop {
            if job.is_over || job.failure.is_some() {
                return None;
            }
            match job.work {
                Some(work) if job.hits.len() < HITS_MAX => return Some((job.turn, work, job.first_nonce)),
                _ => self.changed.wait(&mut job),
            }
        }
    }

    /// Some nonces, then a rest. Whether to go on.
    fn step(&self, probe: &mut Probe, turn: u64) -> bool {
        let begun = Instant::now();
        let found = probe.step(NONCES_AT_ONCE, &self.loads, &self.tally);
        let rest = begun.elapsed().as_secs_f64() * (1.0 / self.options.share - 1.0);
        match found {
            Ok(hits) if hits.is_empty() => {}
            found => return self.report(found, turn),
        }
        if rest > 0.0 {
            thread::sleep(Duration::from_secs_f64(rest));
        }
        true
    }

    fn report(&self, found: Result<Vec<Hit>, LoadError>, turn: u64) -> bool {
        let mut job = self.job.lock();
        match found {
            Err(error) => job.failure = Some(error.to_string()),
            Ok(hits) if job.turn == turn => {
                job.hits.extend(hits);
                while job.hits.len() >= HITS_MAX && job.turn == turn && !job.is_over {
                    self.changed.wait(&mut job);
                }
            }
            Ok(_) => {}
        }
        job.turn == turn && !job.is_over && job.failure.is_none()
    }
}

/// Priorities are of threads on Linux alone; elsewhere the share is what there is.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the call takes three numbers and touches no memory; 0 is the calling thread. A refusal leaves the priority as it was.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    }
}
