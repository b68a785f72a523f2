//! The cluster of a part that runs alone: how it is named, and waiting until it is there.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use client::{Admin, ClientConfig};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::tools::connection::{client_properties, warn_unused};

/// How long one broker may take to accept a connection, and then to answer.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(3);

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
pub(crate) struct ClusterOptions {
    /// Brokers to start from. While none of them answers it is said why, and they are tried again
    #[arg(long, value_name = "HOST:PORT,..")]
    bootstrap_server: String,
    /// A properties file for the clients: request.timeout.ms and the like
    #[arg(long, value_name = "FILE")]
    command_config: Option<String>,
}

impl ClusterOptions {
    /// The brokers as given.
    pub(super) fn servers(&self) -> &str {
        &self.bootstrap_server
    }

    /// Waits until a broker of the cluster answers, and gives what clients reach it with. What
    /// stands in the way is logged each time.
    ///
    /// # Errors
    /// The options or the properties file are wrong.
    pub(super) async fn reach(&self, client_id: &str) -> anyhow::Result<ClientConfig> {
        self.reach_with(client_id, BTreeMap::new()).await
    }

    /// The same, with clients' settings of a part's own file; those of --command-config win.
    pub(super) async fn reach_with(
        &self,
        client_id: &str,
        settings: BTreeMap<String, String>,
    ) -> anyhow::Result<ClientConfig> {
        let client = self.client(client_id, settings)?;
        let mut pause = FIRST_PAUSE;
        while let Err(reason) = attempt(&client).await {
            let servers = self.servers();
            let seconds = pause.as_secs();
            tracing::warn!(
                "the cluster at {servers} does not answer: {reason}; trying again in {seconds} s"
            );
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(client)
    }

    fn client(
        &self,
        client_id: &str,
        settings: BTreeMap<String, String>,
    ) -> anyhow::Result<ClientConfig> {
        let own = client_properties(self.command_config.as_deref(), &[]);
        let mut properties = own.map_err(anyhow::Error::msg)?;
        for (key, value) in settings {
            if properties.get(&key).is_none() {
                properties.set(key, value);
            }
        }
        properties.set("bootstrap.servers", self.servers());
        let client =
            ClientConfig::from_properties(&mut properties).context("--bootstrap-server")?;
        warn_unused(&properties);
        let named = properties.get("client.id").is_some();
        Ok(if named { client } else { client.named(client_id) })
    }
}

/// Whether any of the brokers answers; if not, why each of them does not.
async fn attempt(client: &ClientConfig) -> Result<(), String> {
    let mut reasons = Vec::new();
    for server in &client.bootstrap_servers {
        match timeout(CONNECT, TcpStream::connect(server.as_str())).await {
            Ok(Ok(_)) => return answer(client, server).await,
            Ok(Err(error)) => reasons.push(format!("{server}: {error}")),
            Err(_) => {
                reasons.push(format!("{server}: no connection within {} s", CONNECT.as_secs()));
            }
        }
    }
    Err(reasons.join("; "))
}

async fn answer(client: &ClientConfig, server: &str) -> Result<(), String> {
    let mut client = client.clone();
    client.request_timeout = ANSWER;
    client.default_api_timeout = ANSWER;
    let admin = Admin::new(client).map_err(|error| error.to_string())?;
    let described = admin.describe_cluster().await;
    admin.close().await;
    described.map(drop).map_err(|error| {
        format!("{server} takes connections, but does not answer as a Kafka broker does: {error}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_take_the_settings_of_a_parts_file_unless_their_own_file_has_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("client.properties");
        std::fs::write(&file, "request.timeout.ms=5\n").expect("written");
        let options = ClusterOptions {
            bootstrap_server: "a:1".to_owned(),
            command_config: Some(file.display().to_string()),
        };
        let settings = [
            ("bootstrap.servers", "other:1"),
            ("request.timeout.ms", "7"),
            ("retry.backoff.ms", "9"),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let client = options.client("connect", settings.into()).expect("settings");
        assert_eq!(
            (client.bootstrap_servers.as_slice(), client.client_id.as_str()),
            (&["a:1".to_owned()][..], "connect")
        );
        assert_eq!(client.request_timeout, Duration::from_millis(5));
        assert_eq!(client.retry_backoff.base, Duration::from_millis(9));
        let secured = [("security.protocol".to_owned(), "SSL".to_owned())].into();
        let refused = options.client("connect", secured).expect_err("nothing is encrypted");
        assert!(format!("{refused:#}").contains("security.protocol=SSL"), "{refused:#}");
    }
}
