//! What the process asks of its allocator: that memory which is free goes back to the system.

/// Blocks of this size and more are mapped for themselves, and so go back as soon as they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_BYTES_MIN: libc::c_int = 1 << 20;
/// Free memory at the end of a heap beyond this goes back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SPARE_BYTES_MAX: libc::c_int = 4 << 20;

/// From now on large blocks are mapped for themselves. glibc would otherwise put blocks of up to 32 MiB among small ones once it has seen one
/// freed, and what lies between small ones stays. Other allocators do as they do.
pub fn map_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call sets numbers of the allocator, under its lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
        libc::mallopt(libc::M_TRIM_THRESHOLD, SPARE_BYTES_MAX);
    }
}

/// Give every free page back to the system, also those between blocks in use.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the allocator gives free memory back, and nothing else.
    let _ = unsafe { libc::malloc_trim(0) };
}
