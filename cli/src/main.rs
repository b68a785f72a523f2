//! `yeoul`: one binary, also called by the names of Kafka's tools.
fn main() {}
