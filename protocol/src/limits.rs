//! What a peer may make us allocate. Counts and lengths are checked against the bytes that are
//! left first; these limits bound what remains possible after that.

/// The longest string in bytes: lengths were an int16 before flexible versions, and Kafka holds
/// to it in these too.
pub const STRING: usize = i16::MAX as usize;

/// The elements of a frame's arrays may take this many times the frame's own size in memory. An
/// empty string is one byte on the wire and three words here; a topic's name of one letter, the
/// worst that honest clients send by the thousand, takes twelve times its bytes.
pub const MEMORY_PER_FRAME_BYTE: usize = 16;

/// What the arrays of a small frame may take in any case.
pub const MEMORY_FLOOR: usize = 64 * 1024;

/// What is reserved for an array before its first element is there; it grows from then on.
pub const FIRST_ARRAY_BYTES: usize = 4096;
