//! broker-coordinator
