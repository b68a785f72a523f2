//! The engine over a broker and a registry in this process.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

mod definitions;
mod flights;
mod outside;
mod queries;
mod rest;
mod support;
