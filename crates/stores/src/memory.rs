//! What the memory allocator does with large buffers.

/// Blocks from this size on go back to the system as soon as they are freed. What is used again
/// and again is smaller.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const RETURNED_BYTES_MIN: i32 = 4 << 20;

/// Has large buffers returned to the system when they are freed. glibc would raise its threshold
/// to the largest block freed so far and keep blocks below in each thread's heap, so that a few
/// entries of many megabytes would cost that much once for every thread.
pub fn return_large_buffers() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets a number, under the allocator's own lock.
    #[allow(unsafe_code)]
    unsafe {
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, RETURNED_BYTES_MIN);
    }
}
