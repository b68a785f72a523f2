//! What a peer may make us allocate. Counts and lengths are checked against the bytes that are
//! left first; these limits bound what remains possible after that.

/// The longest string in bytes: lengths were an int16 before flexible versions, and Kafka holds
/// to it in these too.
pub const STRING: usize = i16::MAX as usize;

/// The elements of a frame's arrays may take this many times the frame's own size in memory:
/// an empty string is one byte on the wire and three words here.
pub const MEMORY_PER_FRAME_BYTE: usize = 32;

/// What the arrays of a small frame may take in any case.
pub const MEMORY_FLOOR: usize = 64 * 1024;

/// What is reserved for an array before its first element is there; it grows from then on.
pub const FIRST_ARRAY_BYTES: usize = 4096;
