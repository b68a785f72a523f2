//! [`FailureKind`]: what to do about an error.

/// What is to be done about something that failed while records were read, converted or written.
/// Every error on a record's way has one of these, and nothing else decides whether a query or a
/// connector goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It is the record's own fault: it is reported and left out, the rest goes on.
    Bad,
    /// Something that is needed does not answer now: the same is tried again, with growing pauses,
    /// for as long as it takes.
    Retry,
    /// Trying again does not help: a person has to change something.
    Fatal,
}
