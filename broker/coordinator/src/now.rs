//! The two times of a step.

/// When a step happens. What is written down or compared with what was is the time of day, which
/// somebody may set; how long something lasts is told by the other, which only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Milliseconds since some moment of this process: deadlines of timers.
    pub elapsed_ms: i64,
}
