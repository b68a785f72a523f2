//! What every client needs to know to reach a cluster.

mod properties;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::properties::Properties;
use crate::error::ConfigError;
use crate::retry::Backoff;
use crate::transport::{Connector, MemoryConnector, TcpConnector};

/// Where the cluster is, how to open streams to it and how patient to be.
#[derive(Clone)]
pub struct ClientConfig {
    /// `host:port` of brokers to start from.
    pub bootstrap_servers: Vec<String>,
    /// Name of this client in the broker's logs and quotas.
    pub client_id: String,
    /// How long one request may stay unanswered before its connection is given up.
    pub request_timeout: Duration,
    /// How long a call that retries may take in all.
    pub default_api_timeout: Duration,
    /// Pause between retries of a request.
    pub retry_backoff: Backoff,
    /// Pause between attempts to connect to the same broker.
    pub reconnect_backoff: Backoff,
    /// Metadata older than this is fetched again.
    pub metadata_max_age: Duration,
    /// A connection unused for this long is closed.
    pub connections_max_idle: Duration,
    /// Opens the streams.
    pub connector: Arc<dyn Connector>,
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl ClientConfig {
    /// Over TCP to `host:port[,host:port...]`.
    pub fn tcp(bootstrap_servers: &str) -> Self {
        let servers = split_list(bootstrap_servers);
        Self::with_connector(servers, Arc::new(TcpConnector::default()))
    }

    /// To the broker in this process that `connector` opens streams to.
    pub fn memory(connector: MemoryConnector) -> Self {
        Self::with_connector(vec!["memory:1".to_owned()], Arc::new(connector))
    }

    /// Over any connector, from the given `host:port` addresses.
    pub fn with_connector(bootstrap_servers: Vec<String>, connector: Arc<dyn Connector>) -> Self {
        Self {
            bootstrap_servers,
            client_id: "yeoul".to_owned(),
            request_timeout: Duration::from_secs(30),
            default_api_timeout: Duration::from_secs(60),
            retry_backoff: Backoff {
                base: Duration::from_millis(100),
                max: Duration::from_millis(1000),
            },
            reconnect_backoff: Backoff {
                base: Duration::from_millis(50),
                max: Duration::from_millis(1000),
            },
            metadata_max_age: Duration::from_secs(300),
            connections_max_idle: Duration::from_secs(540),
            connector,
        }
    }

    /// The same cluster under another `client.id`.
    pub fn named(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// Reads Kafka's property names, over TCP. Keys of other families stay in `properties`, whose
    /// [`Properties::unused`] names what no family took.
    pub fn from_properties(properties: &mut Properties) -> Result<Self, ConfigError> {
        let servers = properties
            .get("bootstrap.servers")
            .ok_or(ConfigError::Missing { key: "bootstrap.servers" })?
            .to_owned();
        Self::tcp(&servers).with_properties(properties)
    }

    /// The same with Kafka's properties on top. Another `bootstrap.servers` is reached over TCP;
    /// the sizes of sockets' buffers are taken only where there are sockets.
    pub fn with_properties(mut self, properties: &mut Properties) -> Result<Self, ConfigError> {
        properties.refuse_security()?;
        if let Some(servers) = properties.string("bootstrap.servers") {
            self.bootstrap_servers = split_list(&servers);
            self.connector = Arc::new(self.connector.tcp().unwrap_or_default());
        }
        if let Some(client_id) = properties.string("client.id") {
            self.client_id = client_id;
        }
        properties.millis("request.timeout.ms", &mut self.request_timeout)?;
        properties.millis("default.api.timeout.ms", &mut self.default_api_timeout)?;
        properties.millis("retry.backoff.ms", &mut self.retry_backoff.base)?;
        properties.millis("retry.backoff.max.ms", &mut self.retry_backoff.max)?;
        properties.millis("reconnect.backoff.ms", &mut self.reconnect_backoff.base)?;
        properties.millis("reconnect.backoff.max.ms", &mut self.reconnect_backoff.max)?;
        properties.millis("metadata.max.age.ms", &mut self.metadata_max_age)?;
        properties.millis("connections.max.idle.ms", &mut self.connections_max_idle)?;
        if let Some(mut tcp) = self.connector.tcp() {
            properties.buffer_bytes("send.buffer.bytes", &mut tcp.send_buffer_bytes)?;
            properties.buffer_bytes("receive.buffer.bytes", &mut tcp.receive_buffer_bytes)?;
            self.connector = Arc::new(tcp);
        }
        self.validate()?;
        Ok(self)
    }

    /// Checks the values against each other.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.bootstrap_servers.is_empty() {
            return Err(ConfigError::Conflict(
                "No resolvable bootstrap urls given in bootstrap.servers".to_owned(),
            ));
        }
        for server in &self.bootstrap_servers {
            split_address(server)?;
        }
        Ok(())
    }

    /// The bootstrap servers as host and port.
    pub(crate) fn addresses(&self) -> Result<Vec<(String, u16)>, ConfigError> {
        self.bootstrap_servers.iter().map(|server| split_address(server)).collect()
    }
}

/// The trimmed, non-empty items of a comma-separated list.
pub(crate) fn split_list(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// `host:port`, `[v6]:port`, or `PROTOCOL://host:port` with PLAINTEXT.
fn split_address(address: &str) -> Result<(String, u16), ConfigError> {
    let invalid = |reason: &str| ConfigError::Invalid {
        key: "bootstrap.servers".to_owned(),
        value: address.to_owned(),
        reason: reason.to_owned(),
    };
    let plain = match address.split_once("://") {
        Some(("PLAINTEXT", rest)) => rest,
        Some(_) => return Err(invalid("only PLAINTEXT listeners are supported")),
        None => address,
    };
    let (host, port) =
        plain.rsplit_once(':').ok_or_else(|| invalid("expected host:port, as localhost:9092"))?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return Err(invalid("the host is empty"));
    }
    let port = port.parse().map_err(|_| invalid("the port must be a number from 0 to 65535"))?;
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_at_the_last_colon() {
        let check = |text: &str| split_address(text).ok();
        assert_eq!(check("localhost:9092"), Some(("localhost".to_owned(), 9092)));
        assert_eq!(check("[::1]:9092"), Some(("::1".to_owned(), 9092)));
        assert_eq!(check("PLAINTEXT://a:1"), Some(("a".to_owned(), 1)));
        assert_eq!(check("SSL://a:1"), None);
        assert_eq!(check("localhost"), None);
        assert_eq!(check(":9092"), None);
        assert_eq!(check("a:99999"), None);
    }

    #[test]
    fn sizes_of_buffers_are_bytes_or_left_to_the_system() {
        let parse = |bytes: &str| {
            let pairs = [("bootstrap.servers", "a:1"), ("receive.buffer.bytes", bytes)];
            let mut properties: Properties = pairs.into_iter().collect();
            let parsed = ClientConfig::from_properties(&mut properties).map(|_| ());
            parsed.map(|()| properties.unused())
        };
        assert_eq!(parse("65536").unwrap(), [""; 0]);
        assert_eq!(parse("-1").unwrap(), [""; 0]);
        assert!(parse("-2").is_err());
    }

    #[test]
    fn properties_go_on_top_of_a_configuration() {
        let base = ClientConfig::tcp("a:1").named("base");
        let mut few: Properties = [("request.timeout.ms", "7")].into_iter().collect();
        let config = base.with_properties(&mut few).unwrap();
        assert_eq!(config.bootstrap_servers, ["a:1"]);
        assert_eq!(config.client_id, "base");
        assert_eq!(config.request_timeout, Duration::from_millis(7));

        let inside = || {
            let closed = || Err::<tokio::io::DuplexStream, _>(std::io::Error::other("no broker"));
            ClientConfig::memory(MemoryConnector::new(closed))
        };
        let mut sizes: Properties = [("send.buffer.bytes", "65536")].into_iter().collect();
        inside().with_properties(&mut sizes).unwrap();
        assert_eq!(sizes.unused(), ["send.buffer.bytes"], "there is no socket");
        let elsewhere = [("bootstrap.servers", "b:2"), ("send.buffer.bytes", "65536")];
        let mut elsewhere: Properties = elsewhere.into_iter().collect();
        let config = inside().with_properties(&mut elsewhere).unwrap();
        assert_eq!(config.bootstrap_servers, ["b:2"]);
        assert_eq!(config.connector.tcp().unwrap().send_buffer_bytes, Some(65536));
        assert_eq!(elsewhere.unused(), [""; 0]);
    }

    #[test]
    fn unknown_keys_are_named_and_security_is_refused() {
        let mut properties: Properties =
            [("bootstrap.servers", "a:1, b:2"), ("client.id", "me"), ("no.such.key", "1")]
                .into_iter()
                .collect();
        let config = ClientConfig::from_properties(&mut properties).unwrap();
        assert_eq!(config.bootstrap_servers, ["a:1", "b:2"]);
        assert_eq!(config.client_id, "me");
        assert_eq!(properties.unused(), ["no.such.key"]);

        let mut secured: Properties =
            [("bootstrap.servers", "a:1"), ("security.protocol", "SASL_SSL")].into_iter().collect();
        let error = ClientConfig::from_properties(&mut secured).unwrap_err();
        assert!(
            matches!(error, ConfigError::Unsupported { key, .. } if key == "security.protocol")
        );
    }
}
