//! The behaviour of a log, on files and in memory.

mod append;
mod epochs;
mod producers;
mod read;
mod recovery;
mod retention;
mod roll;
mod support;
mod times;
mod truncate;
