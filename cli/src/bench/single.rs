//! One load on a broker that runs already: `yeoul bench produce`, `consume` and `latency`.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use protocol::record::Compression;

use super::load::ask::{Asking, Topic};
use super::load::consume::{self, ConsumeLoad};
use super::load::latency::{self, LatencyLoad};
use super::load::payload::Shape;
use super::load::produce::{self, ProduceLoad};
use super::load::window::{Extent, Window};
use crate::latencies::Latencies;

const PATIENCE: Duration = Duration::from_secs(60);

/// The broker that is measured.
#[derive(Args)]
struct Server {
    /// The broker, host:port
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    bootstrap_server: String,
    /// Its process, on this machine: its processor time is then reported too
    #[arg(long, value_name = "PID")]
    broker_pid: Option<u32>,
}

impl Server {
    fn address(&self) -> anyhow::Result<SocketAddr> {
        let name = &self.bootstrap_server;
        let mut found = name.to_socket_addrs().with_context(|| name.clone())?;
        found.next().with_context(|| format!("{name} has no address"))
    }
}

/// How long it is measured.
#[derive(Args)]
struct Length {
    /// Seconds at the start that do not count
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Seconds that count
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

impl Length {
    fn extent(&self) -> anyhow::Result<Extent> {
        let seconds = |name: &str, value: f64| {
            Duration::try_from_secs_f64(value).with_context(|| format!("--{name} {value}"))
        };
        Ok(Extent {
            warm_up: seconds("warm-up", self.warm_up)?,
            measured: seconds("seconds", self.seconds)?,
        })
    }
}

/// The topic that is made for the load, and removed after it.
#[derive(Args)]
struct NewTopic {
    /// Partitions of the topic that is made for it
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// Configurations of the topic, key=value
    #[arg(long = "topic-config", value_name = "KEY=VALUE")]
    configs: Vec<String>,
}

impl NewTopic {
    /// Makes the topic for `work`, and removes it whatever comes of it.
    fn with<T>(
        &self,
        address: SocketAddr,
        work: impl FnOnce(&Topic) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let pairs = self.configs.iter().map(|pair| {
            pair.split_once('=').with_context(|| format!("--topic-config {pair}: not key=value"))
        });
        let pairs = pairs.collect::<anyhow::Result<Vec<_>>>()?;
        let mut asking = Asking::connect(address, PATIENCE)?;
        asking.api_versions()?;
        let name = format!("bench-{:08x}", rand::random::<u32>());
        let topic = asking.create_topic(&name, self.partitions, &pairs)?;
        let done = asking.until_led(&topic).and_then(|()| work(&topic));
        let removed = Asking::connect(address, PATIENCE)?.delete_topic(&name);
        done.and_then(|done| removed.map(|()| done))
    }
}

/// What every load is told: the broker, how long, and the topic.
#[derive(Args)]
struct Run {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    length: Length,
    #[command(flatten)]
    topic: NewTopic,
}

/// Where a load runs, and how long.
struct Place<'a> {
    topic: &'a Topic,
    address: SocketAddr,
    extent: Extent,
    broker_pid: Option<u32>,
}

impl Run {
    /// Runs a load on a topic of its own.
    fn on_topic<T>(&self, load: impl FnOnce(Place<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let (address, extent) = (self.server.address()?, self.length.extent()?);
        let broker_pid = self.server.broker_pid;
        self.topic.with(address, |topic| load(Place { topic, address, extent, broker_pid }))
    }
}

/// Batches and the connections that carry them.
#[derive(Args)]
struct Batches {
    /// Bytes of a record's value
    #[arg(long, default_value_t = 1024)]
    record_size: usize,
    /// Bytes of a batch, as the producer's batch.size
    #[arg(long, default_value_t = 16_384)]
    batch_size: usize,
    /// none, gzip, snappy, lz4 or zstd
    #[arg(long, default_value = "none")]
    compression: Compression,
    /// Requests of a connection that wait for an answer, at the most
    #[arg(long, default_value_t = 5)]
    in_flight: usize,
    /// Bytes of a request: it has a batch for as many partitions as fit
    #[arg(long, default_value_t = 1 << 20)]
    request_size: usize,
}

impl Batches {
    /// One producer that sends them.
    fn load(&self, topic: &Topic) -> ProduceLoad {
        let shape = Shape {
            record_bytes: self.record_size,
            batch_bytes: self.batch_size,
            compression: self.compression,
        };
        ProduceLoad {
            in_flight: self.in_flight,
            request_bytes: self.request_size,
            ..ProduceLoad::new(topic, shape)
        }
    }
}

/// Write as fast as a broker answers
#[derive(Args)]
pub(crate) struct Produce {
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    batches: Batches,
    /// Connections that write
    #[arg(long, default_value_t = 8)]
    producers: usize,
    /// 1, or all: idempotent then, as Kafka's producer is
    #[arg(long, default_value = "all")]
    acks: String,
    /// Threads of the load client
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

impl Produce {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let acks = acks(&self.acks)?;
        let produced = self.run.on_topic(|Place { topic, address, extent, broker_pid }| {
            let load = ProduceLoad {
                producers: self.producers,
                acks,
                threads: self.threads,
                ..self.batches.load(topic)
            };
            produce::run(&load, address, broker_pid, extent)
        })?;
        print_window("written", &produced.window);
        println!("{:>12.2} bytes of values for each byte", produced.values_per_byte);
        print_latencies("request to answer", &produced.latencies);
        Ok(())
    }
}

/// `acks` as requests carry it.
pub(super) fn acks(text: &str) -> anyhow::Result<i16> {
    match text {
        "all" | "-1" => Ok(-1),
        "1" => Ok(1),
        _ => {
            anyhow::bail!("acks {text}: there are 1 and all; with 0 nothing is answered to measure")
        }
    }
}

/// Read as fast as a broker answers
#[derive(Args)]
pub(crate) struct Consume {
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    batches: Batches,
    /// Connections that read; the partitions are dealt out to them
    #[arg(long, default_value_t = 1)]
    consumers: usize,
    /// Megabytes of batches that are written before
    #[arg(long, default_value_t = 500)]
    megabytes: u64,
    /// Check each batch, as Kafka's consumer does
    #[arg(long)]
    check_crcs: bool,
    /// Threads of the load client
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

impl Consume {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let window = self.run.on_topic(|Place { topic, address, extent, broker_pid }| {
            let bytes_max = Some(self.megabytes * 1_000_000);
            let fill = ProduceLoad { bytes_max, ..self.batches.load(topic) };
            produce::run(&fill, address, None, Extent::WHOLE)?;
            let ends = Asking::connect(address, PATIENCE)?.ends(topic)?;
            let load = ConsumeLoad {
                consumers: self.consumers,
                again: true,
                check_crcs: self.check_crcs,
                threads: self.threads,
                ..ConsumeLoad::new(topic, ends)
            };
            consume::run(&load, address, broker_pid, extent)
        })?;
        print_window("read", &window);
        Ok(())
    }
}

/// Write at a fixed rate, and time each record from due to read
#[derive(Args)]
pub(crate) struct Latency {
    #[command(flatten)]
    run: Run,
    /// Records a second, of all producers
    #[arg(long, default_value_t = 100_000.0)]
    rate: f64,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 100)]
    record_size: usize,
    /// Bytes of a batch, as the producer's batch.size; 0 sends each record in a request of its own
    #[arg(long, default_value_t = 16_384)]
    batch_size: usize,
    /// How long a batch waits for more records, as the producer's linger.ms
    #[arg(long, default_value_t = 5)]
    linger_ms: u64,
    /// Connections that write
    #[arg(long, default_value_t = 2)]
    producers: usize,
    /// Connections that read; the partitions are dealt out to them
    #[arg(long, default_value_t = 2)]
    consumers: usize,
    /// Requests of a connection that wait for an answer, at the most
    #[arg(long, default_value_t = 5)]
    in_flight: usize,
}

impl Latency {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let timed = self.run.on_topic(|Place { topic, address, extent, broker_pid }| {
            let load = LatencyLoad {
                topic: topic.clone(),
                producers: self.producers,
                consumers: self.consumers,
                rate: self.rate,
                record_bytes: self.record_size,
                batch_bytes: self.batch_size,
                linger: Duration::from_millis(self.linger_ms),
                in_flight: self.in_flight,
            };
            latency::run(&load, address, broker_pid, extent)
        })?;
        print_window("read", &timed.window);
        print_latencies("due to read", &timed.latencies);
        Ok(())
    }
}

fn print_window(what: &str, window: &Window) {
    println!("{:>12.1} MB/s {what}", window.megabytes_per_second());
    println!("{:>12.0} records/s", window.records_per_second());
    println!("{:>12.0} requests/s", window.requests_per_second());
    if let (Some(cores), Some(per_gigabyte)) =
        (window.broker_cores(), window.broker_cpu_per_gigabyte())
    {
        println!("{per_gigabyte:>12.3} broker CPU s/GB ({cores:.2} cores)");
    }
    println!("{:>12.2} cores of the load client", window.client_cores());
}

fn print_latencies(what: &str, latencies: &Latencies) {
    let at = |share| latencies.quantile_ms(share);
    println!(
        "{:>12.2} ms p50, {:.2} p99, {:.2} p99.9, {:.2} most: {what}, {} of them",
        at(0.5),
        at(0.99),
        at(0.999),
        latencies.most_ms(),
        latencies.count()
    );
}
