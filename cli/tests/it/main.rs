//! The binary from the outside: as a person, a script and an old book use it.

mod books;
mod broker;
mod daemon;
#[cfg(feature = "platform")]
mod demo;
mod perf;
mod restart;
