//! The broker's keys, by what they are about.

mod group;
mod log;
mod node;
mod quorum;
mod remote;
mod replica;
mod sasl;
mod share;
mod socket;
mod ssl;
mod transaction;

use super::key::Key;

pub(super) const PARTS: &[&[Key]] = &[
    node::KEYS,
    socket::KEYS,
    log::KEYS,
    group::KEYS,
    share::KEYS,
    transaction::KEYS,
    quorum::KEYS,
    replica::KEYS,
    remote::KEYS,
    sasl::KEYS,
    ssl::KEYS,
];
