//! kafka-cluster: the id of a cluster, its endpoints, and brokers that are to be forgotten.

use client::Admin;
use futures::FutureExt;
use protocol::messages::describe_cluster_request::DescribeClusterRequest;
use protocol::messages::describe_cluster_response::DescribeClusterBroker;
use protocol::messages::unregister_broker_request::UnregisterBrokerRequest;
use protocol::{ApiKey, ErrorCode};

use super::Tool;
use super::connection::{open, words};
use super::options::{Parsed, Spec, UsageError, flag, value};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-cluster",
    about: "Show a cluster's id and endpoints; forget a broker",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-cluster",
    about: "The Kafka cluster tool: kafka-cluster cluster-id | list-endpoints | unregister",
    options: &[
        value("bootstrap-server", "REQUIRED: The brokers to ask first; also -b."),
        value("command-config", "A properties file for the administrative client; also -c."),
        value("config", "The older name of --command-config."),
        value("id", "unregister: the broker to forget; also -i."),
        flag("include-fenced-brokers", "list-endpoints: with brokers that are fenced."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

/// What is to be done.
enum Action {
    ClusterId,
    ListEndpoints,
    Unregister(i32),
}

async fn run(arguments: &[String]) -> i32 {
    let arguments: Vec<String> = arguments.iter().map(|argument| long(argument)).collect();
    let (parsed, action, admin) = match open(&SPEC, &arguments, action) {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    let done = match action {
        Action::ClusterId => cluster_id(&admin).await,
        Action::ListEndpoints => list_endpoints(&admin, parsed.has("include-fenced-brokers")).await,
        Action::Unregister(id) => unregister(&admin, id).await,
    };
    admin.close().await;
    match done {
        Ok(text) => {
            print!("{text}");
            0
        }
        Err(message) => {
            eprintln!("{message}");
            1
        }
    }
}

/// The long name of an option that has a short one.
fn long(argument: &str) -> String {
    match argument {
        "-b" => "--bootstrap-server".to_owned(),
        "-c" | "--config" => "--command-config".to_owned(),
        "-i" => "--id".to_owned(),
        _ => argument.to_owned(),
    }
}

fn action(parsed: &Parsed) -> Result<Action, UsageError> {
    let [command] = parsed.rest.as_slice() else {
        let text = "name one command: cluster-id, list-endpoints or unregister";
        return Err(UsageError(text.to_owned()));
    };
    if !["cluster-id", "list-endpoints", "unregister"].contains(&command.as_str()) {
        return Err(UsageError(format!(
            "Unknown command {command}: there are cluster-id, list-endpoints and unregister"
        )));
    }
    parsed.require(&["bootstrap-server"])?;
    let action = match command.as_str() {
        "cluster-id" => Action::ClusterId,
        "list-endpoints" => Action::ListEndpoints,
        _ => {
            parsed.require(&["id"])?;
            Action::Unregister(parsed.parse("id")?.unwrap_or_default())
        }
    };
    if parsed.has("include-fenced-brokers") && !matches!(action, Action::ListEndpoints) {
        let text = "--include-fenced-brokers belongs to list-endpoints";
        return Err(UsageError(text.to_owned()));
    }
    Ok(action)
}

async fn cluster_id(admin: &Admin) -> Result<String, String> {
    let cluster = admin.describe_cluster().await;
    let cluster = cluster.map_err(|error| words(&error, "describeCluster"))?;
    Ok(match cluster.cluster_id {
        Some(id) => format!("Cluster ID: {id}\n"),
        None => "No cluster ID found. The Kafka version is probably too old.\n".to_owned(),
    })
}

async fn list_endpoints(admin: &Admin, include_fenced_brokers: bool) -> Result<String, String> {
    let request =
        DescribeClusterRequest { endpoint_type: 1, include_fenced_brokers, ..Default::default() };
    let described = admin.cluster().send_any(&request).await;
    let described = described.map_err(|error| words(&error.into(), "describeCluster"))?;
    if described.error_code != ErrorCode::None {
        let code = described.error_code;
        return Err(described.error_message.unwrap_or_else(|| code.message().to_owned()));
    }
    let mut brokers = described.brokers;
    brokers.sort_by_key(|broker| broker.broker_id);
    Ok(table(&brokers))
}

fn table(brokers: &[DescribeClusterBroker]) -> String {
    let hosts = brokers.iter().map(|broker| broker.host.len()).max().unwrap_or(100);
    let racks = brokers.iter().filter_map(|broker| broker.rack.as_ref().map(String::len)).max();
    let racks = racks.unwrap_or(10);
    let line = |[id, host, port, rack, state, kind]: [&str; 6]| {
        format!("{id:<10} {host:<hosts$} {port:<10} {rack:<racks$} {state:<10} {kind:<15}\n")
    };
    let mut text = line(["ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"]);
    for broker in brokers {
        let (id, port) = (broker.broker_id.to_string(), broker.port.to_string());
        let rack = broker.rack.as_deref().unwrap_or("null");
        let state = if broker.is_fenced { "fenced" } else { "unfenced" };
        text.push_str(&line([&id, &broker.host, &port, rack, state, "broker"]));
    }
    text
}

async fn unregister(admin: &Admin, broker_id: i32) -> Result<String, String> {
    let connection = admin.cluster().any_connection().await;
    let connection = connection.map_err(|error| words(&error.into(), "unregisterBroker"))?;
    if connection.versions().range(ApiKey::UnregisterBroker).is_none() {
        // As with Kafka's tool, this is an answer and no failure.
        let text = "The target cluster does not support the broker unregistration API.\n";
        return Ok(text.to_owned());
    }
    let request = UnregisterBrokerRequest { broker_id };
    let response = admin.cluster().send_controller(&request).await;
    let response = response.map_err(|error| words(&error.into(), "unregisterBroker"))?;
    match response.error_code {
        ErrorCode::None => Ok(format!("Broker {broker_id} is no longer registered.\n")),
        code => Err(response.error_message.unwrap_or_else(|| code.message().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Result<Action, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let arguments: Vec<String> = arguments.iter().map(|argument| long(argument)).collect();
        let parsed = SPEC.parse(&arguments).map_err(|error| error.0)?;
        action(&parsed).map_err(|error| error.0)
    }

    #[test]
    fn a_command_is_named_once_and_has_what_it_needs() {
        assert!(matches!(command("unregister -b b:1 -i 7"), Ok(Action::Unregister(7))));
        assert!(matches!(command("cluster-id --bootstrap-server b:1"), Ok(Action::ClusterId)));
        let error = |line: &str| command(line).err().expect("refused");
        assert_eq!(error("unregister -b b:1"), "Missing required argument \"[id]\"");
        assert!(error("forget").starts_with("Unknown command forget: there are cluster-id"));
        assert!(error("-b b:1").starts_with("name one command"));
        assert!(error("cluster-id -b b:1 --include-fenced-brokers").contains("list-endpoints"));
    }

    #[test]
    fn endpoints_are_a_table_as_wide_as_its_hosts() {
        let broker = DescribeClusterBroker {
            broker_id: 1,
            host: "127.0.0.1".to_owned(),
            port: 9092,
            ..Default::default()
        };
        assert_eq!(
            table(&[broker]),
            "ID         HOST      PORT       RACK       STATE      ENDPOINT_TYPE  \n\
             1          127.0.0.1 9092       null       unfenced   broker         \n"
        );
    }
}
