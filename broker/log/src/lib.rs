//! broker-log
