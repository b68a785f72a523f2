//! The load client: Kafka's protocol on bare sockets, so that it costs little beside the broker.
//!
//! - `link`: one connection · `poller`: many of them on one thread
//! - `payload`: batches, built once · `request`: what carries them
//! - `ask`: topics, identities, readiness
//! - `produce`, `consume`: as fast as it goes · `latency`: at a fixed rate, end to end
//! - `window`: what went through in a stretch of time, and what it cost
//!
//! It keeps to what Kafka's own clients do: requests of the same versions and sizes, at most
//! `max.in.flight.requests.per.connection` of them, idempotent where the producer would be, fetch
//! sessions with the consumer's limits.

pub(crate) mod ask;
pub(crate) mod consume;
pub(crate) mod latency;
pub(crate) mod link;
pub(crate) mod payload;
mod poller;
pub(crate) mod produce;
mod request;
pub(crate) mod window;

/// How the load client names itself.
const CLIENT_ID: &str = "yeoul-bench";

/// Milliseconds since 1970, as records carry them.
fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
