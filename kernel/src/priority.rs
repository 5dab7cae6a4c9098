//! How soon the process is woken when it has something to answer.

/// A processor's time in one go, in nanoseconds. Linux's own measure is some milliseconds, and so long does whoever wakes up wait while
/// others compute; who asks for less at a time comes at once. Source: sched(7), `sched_setattr`; the least that the system takes.
#[cfg(target_os = "linux")]
const SLICE_NS: u64 = 100_000;

/// `struct sched_attr` in its first version. Source: include/uapi/linux/sched/types.h.
#[cfg(target_os = "linux")]
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

/// From now on the calling thread, and every thread that it starts, is woken before those that compute. Its share of time stays the same.
/// Returns whether the system knows of it: Linux does from 6.12 on, and takes the call before without a difference.
pub fn answer_at_once() -> bool {
    #[cfg(target_os = "linux")]
    {
        let size = size_of::<Attributes>() as u32;
        let attributes =
            Attributes { size, policy: 0, flags: 0, nice: nice(), priority: 0, runtime_ns: SLICE_NS, deadline_ns: 0, period_ns: 0 };
        // SAFETY: the call reads the attributes, which are as large as they say; 0 is the calling thread.
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) == 0 }
    }
    #[cfg(not(target_os = "linux"))]
    {
        false
    }
}

/// The call sets it too, so it has to be told what it is.
#[cfg(target_os = "linux")]
fn nice() -> i32 {
    // SAFETY: the call takes two numbers and touches no memory.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_takes_it_and_threads_that_are_started_have_it() {
        let read = || {
            let mut found = Attributes { size: 0, policy: 9, flags: 0, nice: 9, priority: 9, runtime_ns: 0, deadline_ns: 0, period_ns: 0 };
            // SAFETY: the call fills in at most as many bytes as it is told.
            let answer = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut found, size_of::<Attributes>(), 0) };
            assert_eq!(answer, 0);
            (found.policy, found.nice, found.runtime_ns)
        };
        std::thread::spawn(move || {
            let (policy, nice, _) = read();
            assert!(answer_at_once());
            let inherited = std::thread::spawn(read).join().unwrap();
            assert_eq!((inherited.0, inherited.1), (policy, nice));
            assert!([0, SLICE_NS].contains(&inherited.2)); // Before 6.12 it is not told.
        })
        .join()
        .unwrap();
    }
}
