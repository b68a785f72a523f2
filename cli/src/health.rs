//! `yeoul health`: asks the parts of a server whether they are well, for people and for the health
//! checks of containers and supervisors.

use std::time::Duration;

use clap::Args;
use client::{Admin, ClientConfig};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::causes;

/// Where the parts of `yeoul server` listen unless told otherwise.
const BROKER: &str = "127.0.0.1:9092";
const REGISTRY: &str = "http://127.0.0.1:8081";
const SQL: &str = "http://127.0.0.1:8088";

/// Whether broker, schema registry and SQL answer; the exit status is 0 when all of them do
#[derive(Args, Debug)]
#[command(
    after_help = "Without an option, the three parts of a `yeoul server` on this machine are \
asked, at the ports that it has by default. With options, the parts that they name and no others."
)]
pub(crate) struct HealthOptions {
    /// A broker to ask
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap_server: Option<String>,
    /// A schema registry to ask
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// An SQL engine to ask
    #[arg(long, value_name = "URL")]
    sql: Option<String>,
    /// A worker of connectors to ask
    #[arg(long, value_name = "URL")]
    connect: Option<String>,
    /// How long an answer may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Print JSON, one object with a member for each part
    #[arg(long)]
    json: bool,
}

/// What was found of one part.
struct Finding {
    part: &'static str,
    address: String,
    /// What is well about it, or what is not.
    state: Result<String, String>,
}

/// Asks the parts and prints a line for each; answers the exit status.
pub(crate) async fn run(options: &HealthOptions) -> i32 {
    let findings = ask(options).await;
    if options.json {
        println!("{}", as_json(&findings));
    } else {
        for Finding { part, address, state } in &findings {
            match state {
                Ok(text) => println!("{part} {address}: healthy ({text})"),
                Err(text) => println!("{part} {address}: unhealthy: {text}"),
            }
        }
    }
    i32::from(findings.iter().any(|finding| finding.state.is_err()))
}

async fn ask(options: &HealthOptions) -> Vec<Finding> {
    let HealthOptions { bootstrap_server, registry, sql, connect, timeout, .. } = options;
    let all = [bootstrap_server, registry, sql, connect].iter().all(|given| given.is_none());
    let chosen = |given: &Option<String>, default: &str, is_built_in: bool| {
        given.clone().or_else(|| (all && is_built_in).then(|| default.to_owned()))
    };
    let has_all_parts = cfg!(feature = "platform");
    let patience = Duration::from_secs(*timeout);
    let broker = async {
        let address = chosen(bootstrap_server, BROKER, true)?;
        let state = within(patience, broker(&address, patience)).await;
        Some(Finding { part: "broker", address, state })
    };
    let registry = async {
        let address = chosen(registry, REGISTRY, has_all_parts)?;
        let state = within(patience, registry_state(&address)).await;
        Some(Finding { part: "registry", address, state })
    };
    let sql = async {
        let address = chosen(sql, SQL, has_all_parts)?;
        let state = within(patience, sql_state(&address)).await;
        Some(Finding { part: "sql", address, state })
    };
    let connect = async {
        let address = connect.clone()?;
        let state = within(patience, connect_state(&address)).await;
        Some(Finding { part: "connect", address, state })
    };
    let (broker, registry, sql, connect) = tokio::join!(broker, registry, sql, connect);
    [broker, registry, sql, connect].into_iter().flatten().collect()
}

async fn within(
    patience: Duration,
    asking: impl Future<Output = Result<String, String>>,
) -> Result<String, String> {
    match tokio::time::timeout(patience, asking).await {
        Ok(state) => state,
        Err(_) => Err(format!("no answer within {} s", patience.as_secs())),
    }
}

/// One attempt: a health check is repeated by whoever runs it.
async fn broker(address: &str, patience: Duration) -> Result<String, String> {
    let mut config = ClientConfig::tcp(address).named("yeoul-health");
    config.request_timeout = patience;
    config.default_api_timeout = Duration::from_millis(1);
    let admin = Admin::new(config).map_err(|error| error.to_string())?;
    let connected = admin.cluster().any_connection().await.map_err(|error| error.to_string());
    let described = match connected {
        Ok(_) => admin.describe_cluster().await.map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    admin.close().await;
    let cluster = described?;
    let nodes: Vec<String> = cluster.brokers.iter().map(|node| node.id.to_string()).collect();
    let id = cluster.cluster_id.as_deref().unwrap_or("without an id");
    Ok(format!("cluster {id}, node {}", nodes.join(", ")))
}

/// Other registries than ours have no `/health`; of those the list of subjects is asked for, which
/// comes from the topic.
async fn registry_state(url: &str) -> Result<String, String> {
    let health = get(url, "health").await?;
    if health.status != StatusCode::NOT_FOUND {
        health.json()?;
        return Ok("it reaches its cluster".to_owned());
    }
    let subjects = get(url, "subjects").await?.json()?;
    let subjects = subjects.as_array().ok_or("the answer is not one of a schema registry")?;
    Ok(format!("{} subjects", subjects.len()))
}

async fn sql_state(url: &str) -> Result<String, String> {
    let health = get(url, "healthcheck").await?.json()?;
    match health.get("isHealthy").and_then(Value::as_bool) {
        Some(true) => Ok("it reaches its cluster, and its queries run".to_owned()),
        Some(false) => Err(format!("it says of itself {}", health["details"])),
        None => Err("the answer is not one of an SQL engine".to_owned()),
    }
}

async fn connect_state(url: &str) -> Result<String, String> {
    let health = get(url, "health").await?.json()?;
    let message = health.get("message").and_then(Value::as_str).filter(|text| !text.is_empty());
    Ok(message.unwrap_or("it says so").to_owned())
}

/// What an HTTP server answered.
struct Answer {
    url: String,
    status: StatusCode,
    body: String,
}

impl Answer {
    fn json(&self) -> Result<Value, String> {
        let Self { url, status, body } = self;
        if !status.is_success() {
            return Err(format!("{url} answers {status}: {}", body.trim()));
        }
        serde_json::from_str(body).map_err(|_| format!("{url} does not answer with JSON"))
    }
}

async fn get(url: &str, path: &str) -> Result<Answer, String> {
    let url = format!("{}/{path}", url.trim_end_matches('/'));
    let told = |error: reqwest::Error| causes::told(&error.into());
    let response = reqwest::get(&url).await.map_err(told)?;
    let status = response.status();
    let body = response.text().await.map_err(told)?;
    Ok(Answer { url, status, body })
}

fn as_json(findings: &[Finding]) -> Value {
    let parts = findings.iter().map(|Finding { part, address, state }| {
        let (healthy, text) = match state {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        ((*part).to_owned(), json!({"address": address, "isHealthy": healthy, "details": text}))
    });
    let mut object: serde_json::Map<String, Value> = parts.collect();
    let healthy = findings.iter().all(|finding| finding.state.is_ok());
    object.insert("isHealthy".to_owned(), json!(healthy));
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: HealthOptions,
    }

    fn options(line: &str) -> HealthOptions {
        Line::parse_from(line.split_whitespace()).options
    }

    /// A port of the loopback where nobody listens.
    fn dead_port() -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    }

    #[tokio::test]
    async fn a_broker_that_is_there_is_healthy_and_one_that_is_not_is_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = broker_server::config::local(dir.path(), &[]).expect("a configuration");
        let broker = broker_server::Broker::start(config).await.expect("a broker");
        let (alive, dead) = (broker.address().to_string(), dead_port());
        let found = ask(&options(&format!("x --bootstrap-server {alive}"))).await;
        let text = found[0].state.as_ref().expect("healthy");
        assert!(text.starts_with("cluster ") && text.ends_with(", node 1"), "{text}");
        let line = format!("x --bootstrap-server 127.0.0.1:{dead} --sql http://127.0.0.1:{dead}");
        let found = ask(&options(&line)).await;
        let parts: Vec<&str> = found.iter().map(|finding| finding.part).collect();
        assert_eq!(parts, ["broker", "sql"]);
        for finding in &found {
            let text = finding.state.as_ref().expect_err("nobody is there");
            assert!(text.contains("refused"), "{text}");
        }
        let printed = as_json(&found);
        assert_eq!(printed["isHealthy"], json!(false));
        assert_eq!(printed["broker"]["address"], json!(format!("127.0.0.1:{dead}")));
        assert_eq!(run(&options(&line)).await, 1);
        assert_eq!(run(&options(&format!("x --json --bootstrap-server {alive}"))).await, 0);
        broker.shutdown().await.expect("a stop in order");
    }

    #[tokio::test]
    async fn a_listener_that_does_not_answer_is_unhealthy_when_the_time_is_over() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = silent.local_addr().expect("an address").port();
        let line = format!("x --timeout 1 --registry http://127.0.0.1:{port}");
        let found = ask(&options(&line)).await;
        assert_eq!(found[0].state, Err("no answer within 1 s".to_owned()));
    }
}
