//! Running a topology.

mod engine;

pub(crate) use engine::{Engine, EngineError, Outgoing};
