//! The binary from the outside: as a person, a script and an old book use it.

mod books;
mod broker;
#[cfg(feature = "platform")]
mod connectors;
mod daemon;
#[cfg(feature = "platform")]
mod demo;
#[cfg(feature = "platform")]
mod pages;
mod perf;
#[cfg(feature = "platform")]
mod queries;
mod refusals;
mod restart;
#[cfg(feature = "platform")]
mod server;
#[cfg(feature = "platform")]
mod standalone;
#[cfg(feature = "platform")]
mod terminal;
mod words;
