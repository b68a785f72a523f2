//! What a process uses, as `/proc` tells it.

use std::path::PathBuf;

use anyhow::Context as _;

/// Processor seconds of a process so far, of all its threads, in the kernel and outside.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = read(pid, "stat")?;
    ticks(&stat)
        .map(|ticks| ticks as f64 / TICKS_PER_SECOND)
        .with_context(|| format!("/proc/{pid}/stat: {stat}"))
}

/// The kernel's unit towards programs, the same on all its architectures.
const TICKS_PER_SECOND: f64 = 100.0;

/// The sum of utime and stime. The name before them may have blanks and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// VmRSS
    pub(crate) resident: u64,
    /// VmHWM: the most that VmRSS was.
    pub(crate) peak: u64,
}

/// What a process has in memory.
pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let status = read(pid, "status")?;
    let of = |name: &str| {
        kibibytes(&status, name)
            .map(|kibibytes| kibibytes * 1024)
            .with_context(|| format!("/proc/{pid}/status has no {name}"))
    };
    Ok(Memory { resident: of("VmRSS:")?, peak: of("VmHWM:")? })
}

/// A number of kibibytes in a text of `/proc`, by its name with the colon.
pub(crate) fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "77 (a (b) c) S 1 77 77 0 -1 4194304 10 20 30 40 250 150 7 8 20 0 1 0 99";
        assert_eq!(ticks(stat), Some(400));
        assert_eq!(ticks("77 (a"), None);
    }

    #[test]
    fn memory_is_read_in_kibibytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(1024));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
    }

    #[test]
    fn a_process_has_memory_and_one_that_is_gone_is_named() {
        let memory = memory(std::process::id()).expect("this process runs");
        assert!(memory.resident > 0 && memory.peak >= memory.resident, "{memory:?}");
        let error = cpu_seconds(u32::MAX).expect_err("no such process");
        assert!(error.to_string().contains("/proc/4294967295/stat"), "{error}");
    }
}
