//! The primitive types of the protocol.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::{Gap, TagCount, TagStart, Writer};
