//! The engine over a broker in this process.

#[path = "engine/support.rs"]
mod support;

#[path = "engine/definitions.rs"]
mod definitions;
#[path = "engine/flights.rs"]
mod flights;
#[path = "engine/queries.rs"]
mod queries;
#[path = "engine/rest.rs"]
mod rest;
