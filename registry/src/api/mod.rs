//! The REST API: what a path means, what a body may be, how answers look.

mod body;
mod negotiate;
mod paths;
mod query;
mod server;

pub(crate) use server::{Services, serve};
