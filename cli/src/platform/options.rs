//! What `yeoul server` is told on the command line.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use anyhow::Context as _;
use broker_server::BrokerConfig;
use clap::Args;
use connect::ConnectorConfig;

use super::PlatformConfig;
use crate::properties_file;

/// Broker, schema registry, connectors and SQL in one process
#[derive(Args, Debug)]
pub(crate) struct ServerOptions {
    /// The data folder; it is made at the first start
    #[arg(long, value_name = "DIR", default_value = "yeoul-data")]
    pub(crate) data: PathBuf,
    /// A server.properties for the broker; it may be any of Kafka's. Its log.dirs win over --data
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where Kafka clients connect, unless the server.properties has listeners
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub(crate) listen: String,
    /// Where the schema registry answers
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    pub(crate) registry_listen: String,
    /// Where the SQL engine answers
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8088")]
    pub(crate) sql_listen: String,
    /// A connector to run: a properties or JSON file; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) connector: Vec<PathBuf>,
}

impl ServerOptions {
    /// The configuration of all parts.
    ///
    /// # Errors
    /// A file cannot be read or holds what cannot be; the error names it.
    pub(crate) fn platform(&self) -> anyhow::Result<PlatformConfig> {
        let connectors: Result<Vec<ConnectorConfig>, _> =
            self.connector.iter().map(|path| ConnectorConfig::read(path)).collect();
        Ok(PlatformConfig {
            broker: self.broker()?,
            registry_listen: self.registry_listen.clone(),
            sql_listen: listen_address("--sql-listen", &self.sql_listen)?,
            state_dir: self.data.join("state"),
            connectors: connectors?,
        })
    }

    fn broker(&self) -> anyhow::Result<BrokerConfig> {
        let mut layer = match &self.config {
            None => Default::default(),
            Some(path) => {
                let read = properties_file::read(&path.display().to_string());
                read.map_err(anyhow::Error::msg)?
            }
        };
        let mut unless = |present: &[&str], key: &str, value: String| {
            if !present.iter().any(|key| layer.contains_key(*key)) {
                layer.insert(key.to_owned(), value);
            }
        };
        unless(&["log.dirs", "log.dir"], "log.dirs", self.data.join("log").display().to_string());
        unless(&["listeners"], "listeners", format!("PLAINTEXT://{}", self.listen));
        unless(&["node.id", "broker.id"], "node.id", "1".to_owned());
        // One node: what Kafka wants three replicas of has one.
        for key in ["offsets.topic.replication.factor", "transaction.state.log.replication.factor"]
        {
            unless(&[key], key, "1".to_owned());
        }
        unless(&["transaction.state.log.min.isr"], "transaction.state.log.min.isr", "1".to_owned());
        // As in the file that comes with Kafka: nobody waits for a second member on one machine.
        let delay = "group.initial.rebalance.delay.ms";
        unless(&[delay], delay, "0".to_owned());
        Ok(BrokerConfig::from_layer(layer)?)
    }
}

/// The address to listen on of a `HOST:PORT`, where the host may be a name.
///
/// # Errors
/// It has another form, or the name does not resolve; the error names the option.
pub(crate) fn listen_address(option: &str, text: &str) -> anyhow::Result<SocketAddr> {
    let form = || format!("{option} {text}: write it as HOST:PORT, for example localhost:8088");
    let (host, port) = text.rsplit_once(':').with_context(form)?;
    let port: u16 = port.parse().ok().with_context(form)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut addresses = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("{option} {text}: the name {host} does not resolve"))?;
    addresses.next().with_context(|| format!("{option} {text}: the name {host} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_may_be_a_name() {
        let address = |text: &str| listen_address("--sql-listen", text).map_err(|e| e.to_string());
        assert!(address("localhost:1").expect("localhost resolves").ip().is_loopback());
        assert_eq!(address("127.0.0.1:8088"), Ok(SocketAddr::from(([127, 0, 0, 1], 8088))));
        assert_eq!(address("[::1]:0").map(|found| found.to_string()), Ok("[::1]:0".to_owned()));
        for (text, part) in [
            ("8088", "HOST:PORT"),
            ("localhost", "HOST:PORT"),
            ("localhost:99999", "HOST:PORT"),
            ("no.such.name.invalid:1", "does not resolve"),
        ] {
            let error = address(text).expect_err(text);
            assert!(error.starts_with(&format!("--sql-listen {text}: ")), "{error}");
            assert!(error.contains(part), "{error}");
        }
    }

    fn options(dir: &std::path::Path, config: Option<PathBuf>) -> ServerOptions {
        ServerOptions {
            data: dir.join("data"),
            config,
            listen: "127.0.0.1:0".to_owned(),
            registry_listen: "127.0.0.1:0".to_owned(),
            sql_listen: "127.0.0.1:0".to_owned(),
            connector: Vec::new(),
        }
    }

    #[test]
    fn a_file_wins_over_the_options() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("server.properties");
        std::fs::write(&file, "broker.id=7\n").expect("a file is written");
        let with_file = options(dir.path(), Some(file)).platform().expect("a configuration");
        assert_eq!(with_file.broker.node_id, 7);
        assert_eq!(with_file.broker.log_dirs, [dir.path().join("data/log")]);
        let without = options(dir.path(), None).platform().expect("a configuration");
        assert_eq!(without.broker.node_id, 1);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let error = options(dir.path(), Some("none.properties".into())).platform().map(|_| ());
        assert!(format!("{:#}", error.expect_err("no such file")).starts_with("none.properties: "));
    }
}
