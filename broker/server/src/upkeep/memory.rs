//! Gives back to the system what a peak took.
//!
//! The allocator keeps freed memory that lies between blocks still in use, for whoever needs it
//! next. After one large answer, or a log that was loaded, that may be hundreds of megabytes which
//! nobody needs for days.

use std::sync::Arc;
use std::time::Duration;

use crate::services::Services;

/// How often the process is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// With less than this in memory there is nothing to win.
const WORTHWHILE: u64 = 32 * 1024 * 1024;

/// A try that gives back less than this makes the next one come later.
const GAIN: u64 = 8 * 1024 * 1024;

/// By how much the process must grow for the next try to come soon all the same.
const GROWTH: u64 = 32 * 1024 * 1024;

/// Looks between two tries, at the most.
const LONGEST_PAUSE: u32 = 150;

/// CPU time between two looks under which nobody is kept waiting.
const QUIET: Duration = Duration::from_millis(200);

/// A process that is never quiet is waited for so many looks.
const PATIENCE: u32 = 30;

/// Decides when to try. What the process holds does not tell what of it is free, so it is tried,
/// less and less often where nothing comes of it.
#[derive(Debug)]
struct Tries {
    /// What was resident after the last try.
    left: u64,
    /// Looks since then.
    looks: u32,
    /// Looks until the next one is due.
    pause: u32,
}

impl Tries {
    fn new() -> Self {
        Self { left: 0, looks: 0, pause: 1 }
    }

    /// Whether to try, with so much resident.
    fn is_time(&mut self, resident: u64, is_quiet: bool) -> bool {
        self.looks = self.looks.saturating_add(1);
        if resident < WORTHWHILE {
            return false;
        }
        if resident >= self.left + GROWTH {
            self.pause = 1;
        }
        self.looks >= self.pause && (is_quiet || self.looks - self.pause >= PATIENCE)
    }

    /// Takes note of a try.
    fn tried(&mut self, before: u64, after: u64) {
        let pause = match before.saturating_sub(after) {
            ..GAIN => self.pause.saturating_mul(2).min(LONGEST_PAUSE),
            _ => 1,
        };
        *self = Self { left: after, looks: 0, pause };
    }
}

/// Starts the task; it ends when the broker stops.
pub(super) fn start(services: &Arc<Services>) {
    if !system::CAN_GIVE_BACK {
        return;
    }
    let services = services.clone();
    services.tasks.clone().spawn(async move {
        let mut tries = Tries::new();
        let mut cpu = system::cpu_time();
        loop {
            tokio::select! {
                biased;
                () = services.stopping.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let before = std::mem::replace(&mut cpu, system::cpu_time());
            let Some(resident) = system::resident_bytes() else { return };
            if !tries.is_time(resident, cpu.saturating_sub(before) < QUIET) {
                continue;
            }
            // Whole pages are looked for in all of the allocator's memory, which may take a while.
            if tokio::task::spawn_blocking(system::give_back).await.is_err() {
                return;
            }
            tries.tried(resident, system::resident_bytes().unwrap_or(resident));
        }
    });
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod system {
    use std::time::Duration;

    pub(super) const CAN_GIVE_BACK: bool = true;

    /// Gives back every page that the allocator holds and nobody uses.
    pub(super) fn give_back() {
        // SAFETY: it takes a number, and may be called at any time from any thread.
        unsafe { libc::malloc_trim(0) };
    }

    /// What of the process is in memory.
    pub(super) fn resident_bytes() -> Option<u64> {
        let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
        let pages: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
        // SAFETY: it takes a number and gives one.
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        Some(pages * page)
    }

    /// Of all threads of the process since its start.
    pub(super) fn cpu_time() -> Duration {
        let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the place that is written to is there, and as large as it must be.
        unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut used) };
        let nanos = used.tv_sec.saturating_mul(1_000_000_000).saturating_add(used.tv_nsec);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod system {
    use std::time::Duration;

    /// Other allocators give back what is free by themselves.
    pub(super) const CAN_GIVE_BACK: bool = false;

    pub(super) fn give_back() {}

    pub(super) fn resident_bytes() -> Option<u64> {
        None
    }

    pub(super) fn cpu_time() -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn it_is_tried_at_the_first_quiet_moment_and_again_as_long_as_it_helps() {
        let mut tries = Tries::new();
        assert!(!tries.is_time(22 * MIB, true), "so little is not worth the while");
        assert!(!tries.is_time(700 * MIB, false));
        assert!(tries.is_time(700 * MIB, true));
        tries.tried(700 * MIB, 300 * MIB);
        assert!(tries.is_time(300 * MIB, true));
    }

    #[test]
    fn where_nothing_comes_of_it_it_is_tried_less_and_less_often() {
        let mut tries = Tries::new();
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let looks = (1..).find(|_| tries.is_time(500 * MIB, true));
            pauses.extend(looks);
            tries.tried(500 * MIB, 499 * MIB);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 150, 150]);
        assert!(!tries.is_time(499 * MIB, true));
        assert!(tries.is_time(499 * MIB + GROWTH, true), "there is a new peak");
    }

    #[test]
    fn a_process_that_is_never_quiet_is_not_waited_for_for_ever() {
        let mut tries = Tries::new();
        let looks = (1..).find(|_| tries.is_time(200 * MIB, false));
        assert_eq!(looks, Some(1 + PATIENCE));
    }
}
