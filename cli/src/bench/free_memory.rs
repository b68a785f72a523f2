//! Free memory, made as fit for use as any before something is measured.
//!
//! A hypervisor may take back what a guest has free (free page reporting of virtio-balloon does
//! so within seconds), and the first touch of each such page costs the guest many times what a
//! page costs otherwise. How much of it a run meets is chance, and so would its figures be.

use std::ptr::NonNull;
use std::sync::Once;
use std::{fs, io};

use anyhow::Context as _;

use super::{interrupt, usage};
use crate::causes;

/// What is touched beyond that: brokers and clients need some for themselves.
const BESIDES: u64 = 256 << 20;
/// What is left alone of the memory that is free.
const RESERVE: u64 = 512 << 20;
/// More is never touched.
const MOST: u64 = 8 << 30;
/// One byte in each is touched.
const PAGE: usize = 4096;
/// After so many bytes a signal is looked for.
const STEP: usize = 256 << 20;

/// Touches as much free memory as a run takes that puts so many bytes into the page cache, and
/// gives it back at once. Where that cannot be done, it says so once, and the run goes on without.
pub(super) fn warm(bytes: u64) {
    static TOLD: Once = Once::new();
    if let Err(error) = free().and_then(|free| touch(size(bytes, free))) {
        TOLD.call_once(|| {
            eprintln!(
                "yeoul bench: free memory cannot be touched before runs, so that they differ more \
                 where a hypervisor takes it back: {}",
                causes::told(&error)
            );
        });
    }
}

/// What can be taken without taking it from anybody.
fn free() -> anyhow::Result<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
    let free = usage::kibibytes(&meminfo, "MemFree:").context("/proc/meminfo has no MemFree")?;
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").unwrap_or_default();
    Ok((free * 1024).min(share(&limit)))
}

/// Half of what a container may have; a machine's own group has no limit.
fn share(limit: &str) -> u64 {
    limit.trim().parse().map_or(u64::MAX, |bytes: u64| bytes / 2)
}

/// How much is touched for a run that writes so many bytes, if so many are free.
fn size(bytes: u64, free: u64) -> usize {
    let size = bytes.saturating_add(BESIDES).min(MOST).min(free.saturating_sub(RESERVE));
    usize::try_from(size).unwrap_or(usize::MAX) / PAGE * PAGE
}

fn touch(length: usize) -> anyhow::Result<()> {
    if length == 0 {
        return Ok(());
    }
    let memory = Mapping::new(length).with_context(|| format!("mapping {length} bytes"))?;
    for start in (0..length).step_by(STEP) {
        if interrupt::requested() {
            break;
        }
        memory.touch(start..length.min(start + STEP));
    }
    Ok(())
}

/// Memory of this process alone, given back when dropped.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    fn new(length: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: the kernel chooses where; nothing that is there already is replaced.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // Small pages come from where the page cache takes its own: what is free in large blocks
        // is what it takes last. A kernel that knows of no huge pages refuses the advice.
        // SAFETY: it is about the mapping above.
        let _ = unsafe { libc::madvise(start, length, libc::MADV_NOHUGEPAGE) };
        let no_memory = || io::Error::from_raw_os_error(libc::ENOMEM);
        let start = NonNull::new(start.cast()).ok_or_else(no_memory)?;
        Ok(Self { start, length })
    }

    /// Writes into each page of a part.
    fn touch(&self, part: std::ops::Range<usize>) {
        assert!(part.end <= self.length, "{part:?} of {} bytes", self.length);
        for offset in part.step_by(PAGE) {
            // SAFETY: it lies within the mapping, which is writable and this value's alone.
            unsafe { self.start.add(offset).write_volatile(1) };
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and nothing else points into it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn what_a_run_takes_is_touched_as_far_as_it_is_free() {
        assert_eq!(size(GIB, 10 * GIB) as u64, GIB + BESIDES);
        assert_eq!(size(4 * GIB, 2 * GIB) as u64, 2 * GIB - RESERVE);
        assert_eq!(size(u64::MAX, u64::MAX) as u64, MOST);
        assert_eq!(size(GIB, RESERVE - 1), 0);
        assert_eq!(size(5_000, 10 * GIB) % PAGE, 0);
    }

    #[test]
    fn a_container_gives_half_of_its_memory_at_the_most() {
        assert_eq!(share("4294967296\n"), 2 * GIB);
        assert_eq!((share("max\n"), share("")), (u64::MAX, u64::MAX));
        let free = free().expect("this machine tells what is free");
        assert!(free > 0);
    }

    #[test]
    fn memory_is_mapped_touched_to_its_last_page_and_unmapped() {
        let memory = Mapping::new(3 * PAGE).expect("three pages are there");
        memory.touch(PAGE..3 * PAGE);
        // SAFETY: within the mapping, whose pages are zero until they are written to.
        let bytes = [0, 1, 2].map(|page| unsafe { memory.start.add(page * PAGE).read() });
        assert_eq!(bytes, [0, 1, 1]);
        drop(memory);
        touch(0).expect("nothing is easy");
        touch(2 * PAGE).expect("two pages are there");
        let error = touch(usize::MAX / PAGE * PAGE).expect_err("nobody has so much");
        assert!(error.to_string().starts_with("mapping 18446744073709547520"), "{error:#}");
    }
}
