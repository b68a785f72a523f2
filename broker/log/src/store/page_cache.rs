//! How much of a file is in the page cache.

use std::fs::File;
use std::os::fd::AsRawFd;

/// The number of `cachestat` on all machines; systems before Linux 6.5 don't know it.
const CACHESTAT: libc::c_long = 451;

#[repr(C)]
struct Range {
    offset: u64,
    length: u64,
}

/// Pages of a range by what has become of them.
#[repr(C)]
#[derive(Default)]
struct Counts {
    cached: u64,
    dirty: u64,
    under_writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Whether the page cache has all pages of a range, some of which may still be on their way from
/// the disk. `false`: it has not, or nobody can say (an old system, a file system on top of
/// another).
pub(super) fn has_all(file: &File, position: u64, length: u64) -> bool {
    let pages = (position + length).div_ceil(page_bytes()) - position / page_bytes();
    let range = Range { offset: position, length };
    let mut counts = Counts::default();
    // SAFETY: the descriptor is open, and the two structs are those of the call.
    let failed = unsafe {
        libc::syscall(CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut counts, 0_u32)
    };
    failed == 0 && counts.cached >= pages
}

fn page_bytes() -> u64 {
    // SAFETY: it takes a number and gives one.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_range_is_there_when_all_its_pages_are() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        file.set_len(1_000_000).unwrap();
        assert!(!has_all(&file, 0, 1_000_000), "the rest was never read");
        assert!(!has_all(&file, 99_000, 400_000));
        assert!(!has_all(&file, 500_000, 10));
        // Where the system says anything.
        if has_all(&file, 0, 1) {
            assert!(has_all(&file, 0, 100_000));
            assert!(has_all(&file, 4_095, 2));
        }
    }
}
