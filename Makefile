# The verbs of the project. Each installs or names what it needs itself, before anything is built.

CARGO ?= cargo
PEERS ?= ../shared/peers

.PHONY: build broker demo test check bench bench-micro peers release conformance clients mixed fuzz setup-broker setup-demo setup-release setup-test

build: setup-demo
	tools/build build -p cli

## demo: builds, runs the main job on real data and shows it live; Ctrl-C stops it, a second run resumes
demo: build
	$$(tools/target-dir)/debug/yeoul demo --data target/demo --files examples/flights

## broker: the broker and Kafka's tools alone, without connectors, SQL, RocksDB and DataFusion: built in some three minutes
broker: setup-broker
	tools/build build -p cli --no-default-features
	@echo "built: $$(tools/target-dir)/debug/yeoul, which is the broker and Kafka's tools; start it with: yeoul kafka-server-start server.properties"

## test: all tests; needs nothing outside the clone
test: setup-test
	tools/build test --workspace --no-run
	$(CARGO) test --workspace

## check: formatting, lints with warnings denied, of the broker alone too, and the rules of the tree
check: setup-test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p cli --no-default-features -- -D warnings
	$(CARGO) test -p testkit

## release: the binary as it is shipped, without its symbols; these are beside it, in yeoul.debug
release: setup-release
	tools/build build --release -p cli
	tools/split-symbols $$(tools/target-dir)/release/yeoul

## bench: Yeoul beside Apache Kafka on this machine, in about 40 minutes (BENCH=--full: longer); writes docs/performance.md
##        and its picture; needs ../shared/peers (or PEERS=DIR) for Kafka and Java for running it
bench: peers release
	$$(tools/target-dir)/release/yeoul bench compare --peers $(PEERS) $(BENCH)

## bench-micro: benchmarks of the structures by themselves, with the release profile
bench-micro: setup-broker
	$(CARGO) bench --manifest-path benches/Cargo.toml

## conformance: the case runners of ../shared/cases, held against the lists in conformance/
conformance: build
	tools/conformance

## clients: independent clients (Python, Node, C, Java) against our broker
clients: build
	tools/clients/run

## mixed: clusters of Apache Kafka's nodes and ours, every mix of three, under load while each node is killed; needs
##        ../shared/peers (or PEERS=DIR) and Java, in about ten minutes
mixed: build
	PEERS=$(PEERS) tools/mixed

## fuzz: the protocol's fuzz targets, a minute each
fuzz:
	protocol/fuzz/run

setup-broker setup-demo setup-release setup-test:
	@tools/setup $(@:setup-%=%)

# Said before anything is built, for the build takes long.
peers:
	@test -x $(PEERS)/kafka/kafka || { echo "bench: $(PEERS)/kafka/kafka is not there: it starts the Apache Kafka that is measured \
beside Yeoul. Name its folder with PEERS=DIR; Yeoul alone is measured by: yeoul bench compare --without-kafka" >&2; exit 1; }
