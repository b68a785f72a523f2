//! broker-metadata
