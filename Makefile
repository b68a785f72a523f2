# The verbs of the project. `make demo` and `make test` install or name what they need themselves.

CARGO ?= cargo
PEERS ?= ../shared/peers

.PHONY: build demo test check bench bench-micro peers release conformance clients fuzz setup

# What `make test` builds, the binary among it. The other verbs build the same selection of packages, for another one would
# have other features of shared dependencies and build these again.
build: setup
	$(CARGO) test --workspace --no-run

## demo: builds, runs the main job on real data and shows it live; Ctrl-C stops it, a second run resumes
demo: build
	$$(tools/target-dir)/debug/yeoul demo --data target/demo

## test: all tests; needs nothing outside the clone
test: setup
	$(CARGO) test --workspace

## check: formatting, lints with warnings denied, the rules of the tree
check: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) test -p testkit

## release: the binary as it is shipped
release: setup
	$(CARGO) build --release -p cli

## bench: Yeoul beside Apache Kafka on this machine, in about 40 minutes (BENCH=--full: longer); writes docs/performance.md
##        and its picture; needs ../shared/peers (or PEERS=DIR) for Kafka and Java for running it
bench: peers release
	$$(tools/target-dir)/release/yeoul bench compare --peers $(PEERS) $(BENCH)

## bench-micro: benchmarks of the structures by themselves, with the release profile
bench-micro: setup
	$(CARGO) bench --manifest-path benches/Cargo.toml

## conformance: the case runners of ../shared/cases, held against the lists in conformance/
conformance: build
	tools/conformance

## clients: independent clients (Python, Node, C, Java) against our broker
clients: build
	tools/clients/run

## fuzz: the protocol's fuzz targets, a minute each
fuzz:
	protocol/fuzz/run

setup:
	@tools/setup

# Said before anything is built, for the build takes long.
peers:
	@test -x $(PEERS)/kafka/kafka || { echo "bench: $(PEERS)/kafka/kafka is not there: it starts the Apache Kafka that is measured \
beside Yeoul. Name its folder with PEERS=DIR; Yeoul alone is measured by: yeoul bench compare --without-kafka" >&2; exit 1; }
