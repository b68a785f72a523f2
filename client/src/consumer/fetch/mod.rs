//! Fetching: what to ask of whom, and what an answer means.

mod decode;
mod fetcher;
mod lookup;
mod session;

pub(super) use self::decode::Chunk;
#[cfg(test)]
pub(super) use self::decode::Entry;
pub(super) use self::fetcher::run;
