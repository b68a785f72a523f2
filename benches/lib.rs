//! Only benchmarks are in here: `benches/`, run by `make bench-micro`.
