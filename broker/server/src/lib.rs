//! broker-server
