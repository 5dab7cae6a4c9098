//! Threads that share the parts of a phase. They wait awake for a moment, because phases are short, and sleep when nothing comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};

/// Turns of the waiting loop before a worker sleeps: some tens of microseconds.
const SPINS: u32 = 4_000;
/// Turns before the caller lets other threads run: one of its workers may have lost the processor.
const CALLER_SPINS: u32 = 2_000;
/// Turns that each thread has in `run_many`, if all are equally fast.
const TURNS: usize = 8;
const PARTS_BITS: u32 = 24;
pub const PARTS_MAX: usize = (1 << PARTS_BITS) - (1 << 12);
const PARTS_MASK: u64 = (1 << PARTS_BITS) - 1;

type Part = unsafe fn(*const (), usize, usize);

/// Number of the phase (16 bits), its parts, and the next that nobody has taken.
#[derive(Clone, Copy)]
struct Ticket(u64);

impl Ticket {
    const fn of(phase: u64, parts: usize) -> Self {
        Self(phase << (2 * PARTS_BITS) | (parts as u64) << PARTS_BITS)
    }

    const fn phase(self) -> u64 {
        self.0 >> (2 * PARTS_BITS)
    }

    /// The part that a taker of this ticket does.
    fn part(self) -> Option<usize> {
        let next = self.0 & PARTS_MASK;
        (next < self.0 >> PARTS_BITS & PARTS_MASK).then_some(next as usize)
    }
}

struct Board {
    ticket: AtomicU64,
    done: AtomicUsize,
    failed: AtomicBool,
    /// What a part calls, and with what; written before the ticket, and again only when all parts are done.
    call: AtomicPtr<()>,
    with: AtomicPtr<()>,
    is_closed: AtomicBool,
    asleep: Vec<AtomicBool>,
}

impl Board {
    /// Do parts until none is left.
    fn work(&self, worker: usize) {
        while Ticket(self.ticket.load(Ordering::Acquire)).part().is_some() {
            let Some(part) = Ticket(self.ticket.fetch_add(1, Ordering::AcqRel)).part() else { return };
            let (call, with) = (self.call.load(Ordering::Relaxed), self.with.load(Ordering::Relaxed));
            // SAFETY: a taken part keeps its phase from ending, so these are the call and the closure of that phase, which `run` keeps alive.
            let outcome = std::panic::catch_unwind(|| unsafe { std::mem::transmute::<*mut (), Part>(call)(with, worker, part) });
            if outcome.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            self.done.fetch_add(1, Ordering::Release);
        }
    }

    /// Wait for a phase after `seen`, or for the end.
    fn wait(&self, worker: usize, seen: u64) -> Option<u64> {
        let mut spins = 0;
        loop {
            let phase = Ticket(self.ticket.load(Ordering::Acquire)).phase();
            if phase != seen {
                return Some(phase);
            }
            if self.is_closed.load(Ordering::Acquire) {
                return None;
            }
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
                continue;
            }
            self.asleep[worker].store(true, Ordering::SeqCst);
            // A phase that began before this was seen would wake nobody.
            if Ticket(self.ticket.load(Ordering::SeqCst)).phase() == seen && !self.is_closed.load(Ordering::SeqCst) {
                thread::park();
            }
            self.asleep[worker].store(false, Ordering::SeqCst);
            spins = 0;
        }
    }
}

/// A caller and its workers.
pub(super) struct Workers {
    board: Arc<Board>,
    threads: Vec<(Thread, Option<JoinHandle<()>>)>,
    phase: u64,
}

impl Workers {
    /// `count` threads, the caller's among them.
    pub fn new(count: usize) -> std::io::Result<Self> {
        let helpers = count.max(1) - 1;
        let board = Arc::new(Board {
            ticket: AtomicU64::new(0),
            done: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            call: AtomicPtr::new(std::ptr::null_mut()),
            with: AtomicPtr::new(std::ptr::null_mut()),
            is_closed: AtomicBool::new(false),
            asleep: (0..helpers).map(|_| AtomicBool::new(false)).collect(),
        });
        let mut workers = Self { board, threads: Vec::new(), phase: 0 };
        for index in 0..helpers {
            let board = Arc::clone(&workers.board);
            let handle = thread::Builder::new().name(format!("exact-{index}")).spawn(move || {
                let mut seen = 0;
                while let Some(phase) = board.wait(index, seen) {
                    seen = phase;
                    board.work(index + 1);
                }
            })?;
            workers.threads.push((handle.thread().clone(), Some(handle)));
        }
        Ok(workers)
    }

    /// How many numbers of workers `run` hands out.
    pub fn count(&self) -> usize {
        self.threads.len() + 1
    }

    /// Call `part(worker, index)` for all indexes below `parts`, on all threads. A worker does one part at a time.
    pub fn run<F: Fn(usize, usize) + Sync>(&mut self, parts: usize, part: F) {
        unsafe fn call<F: Fn(usize, usize)>(with: *const (), worker: usize, index: usize) {
            // SAFETY: `with` is the closure of this very call of `run`, which returns only when all parts are done.
            unsafe { (*with.cast::<F>())(worker, index) }
        }
        if self.threads.is_empty() || parts < 2 {
            return (0..parts).for_each(|index| part(0, index));
        }
        assert!(parts <= PARTS_MAX);
        let board = &self.board;
        board.done.store(0, Ordering::Relaxed);
        board.call.store((call::<F> as Part) as *mut (), Ordering::Relaxed);
        board.with.store(std::ptr::from_ref(&part).cast_mut().cast(), Ordering::Relaxed);
        self.phase = (self.phase + 1) & 0xffff;
        board.ticket.store(Ticket::of(self.phase, parts).0, Ordering::SeqCst);
        for ((thread, _), asleep) in self.threads.iter().zip(&board.asleep) {
            if asleep.load(Ordering::SeqCst) {
                thread.unpark();
            }
        }
        board.work(0);
        let mut spins = 0;
        while board.done.load(Ordering::Acquire) < parts {
            spins += 1;
            if spins < CALLER_SPINS {
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
        assert!(!board.failed.swap(false, Ordering::Relaxed), "a part of a phase failed");
    }

    /// The same for many small parts, of which a thread takes several at a time.
    pub fn run_many<F: Fn(usize, usize) + Sync>(&mut self, parts: usize, part: F) {
        let together = parts.div_ceil(self.count() * TURNS).max(1);
        self.run(parts.div_ceil(together), |worker, turn| {
            (turn * together..parts.min((turn + 1) * together)).for_each(|index| part(worker, index));
        });
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.board.is_closed.store(true, Ordering::SeqCst);
        for (thread, handle) in &mut self.threads {
            thread.unpark();
            if let Some(handle) = handle.take() {
                // A worker catches what its parts throw, so it ends well.
                let _ = handle.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_done_once_by_whatever_thread() {
        for count in [1, 2, 5] {
            let mut workers = Workers::new(count).unwrap();
            for parts in [0, 1, 2, 3, 100] {
                for _ in 0..200 {
                    let done: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
                    workers.run(parts, |worker, index| {
                        assert!(worker < count);
                        done[index].fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1));
                }
            }
        }
    }

    #[test]
    fn a_part_that_fails_fails_the_call_and_the_next_call_works() {
        let mut workers = Workers::new(2).unwrap();
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| workers.run(8, |_, index| assert!(index != 5))));
        assert!(failed.is_err());
        workers.run(8, |_, _| ());
    }

    #[test]
    fn workers_that_sleep_wake_up() {
        let mut workers = Workers::new(3).unwrap();
        while !workers.board.asleep.iter().all(|asleep| asleep.load(Ordering::SeqCst)) {
            thread::yield_now();
        }
        let meeting = std::sync::Barrier::new(3);
        workers.run(3, |_, _| {
            meeting.wait();
        });
    }
}
