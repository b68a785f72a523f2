//! kafka-broker-api-versions: which APIs each broker serves, in which versions.

use client::Admin;
use client::admin::ApiRange;
use futures::FutureExt;
use protocol::ApiKey;

use super::Tool;
use super::connection::{open, words};
use super::options::{Parsed, Spec, flag, status, tell_plainly, value};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-broker-api-versions",
    about: "Show which APIs brokers serve, and in which versions",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-broker-api-versions",
    about: "This tool helps to retrieve broker version information.",
    options: &[
        value("bootstrap-server", "REQUIRED: The brokers to ask first, host:port,host:port."),
        value("command-config", "A properties file for the administrative client."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

async fn run(arguments: &[String]) -> i32 {
    let check = |parsed: &Parsed| parsed.require(&["bootstrap-server"]);
    let (_, (), admin) = match open(&SPEC, arguments, check) {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    let done = print(&admin).await;
    admin.close().await;
    status(done, tell_plainly)
}

async fn print(admin: &Admin) -> Result<(), String> {
    let cluster = admin.describe_cluster().await;
    let cluster = cluster.map_err(|error| words(&error, "describeCluster"))?;
    for node in cluster.brokers {
        let rack = node.rack.as_deref().unwrap_or("null");
        let name =
            format!("{}:{} (id: {} rack: {rack} isFenced: false)", node.host, node.port, node.id);
        match admin.broker_api_versions(node.id).await {
            Ok(served) => println!("{name} -> (\n\t{}\n)", lines(&served).join(",\n\t")),
            Err(error) => println!("{name} -> ERROR: {}", words(&error, "apiVersions")),
        }
    }
    Ok(())
}

/// A line for each API that the broker serves or a broker can serve, by number.
fn lines(served: &[ApiRange]) -> Vec<String> {
    let is_missing = |api: &ApiKey| {
        api.is_for_brokers()
            && api.stable_versions().is_some()
            && served.iter().all(|range| range.code != api.code())
    };
    let missing = ApiKey::all().filter(is_missing);
    let missing = missing.map(|api| (api.code(), format!("{api}({}): UNSUPPORTED", api.code())));
    let mut lines: Vec<(i16, String)> = served.iter().map(|api| (api.code, line(api))).collect();
    lines.extend(missing);
    lines.sort_by_key(|(code, _)| *code);
    lines.into_iter().map(|(_, line)| line).collect()
}

fn line(range: &ApiRange) -> String {
    let ApiRange { code, key, min, max } = *range;
    let versions = if min == max { min.to_string() } else { format!("{min} to {max}") };
    let Some(api) = key else { return format!("UNKNOWN({code}): {versions}") };
    let usable = match api.stable_versions() {
        Some(ours) if max < *ours.start() => "unusable: node too old".to_owned(),
        Some(ours) if *ours.end() < min => "unusable: node too new".to_owned(),
        Some(ours) => format!("usable: {}", max.min(*ours.end())),
        None => "unusable: node too old".to_owned(),
    };
    format!("{api}({code}): {versions} [{usable}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_has_a_line_with_its_versions_and_the_one_to_use() {
        let range = |code, min, max| ApiRange { code, key: ApiKey::from_code(code), min, max };
        let lines = lines(&[range(0, 0, 99), range(47, 0, 0), range(999, 1, 2), range(1, 90, 91)]);
        assert_eq!(lines[0], "Produce(0): 0 to 99 [usable: 13]");
        assert_eq!(lines[1], "Fetch(1): 90 to 91 [unusable: node too new]");
        assert!(lines.contains(&"OffsetDelete(47): 0 [usable: 0]".to_owned()));
        assert!(lines.contains(&"EndTxn(26): UNSUPPORTED".to_owned()));
        assert_eq!(lines.last().map(String::as_str), Some("UNKNOWN(999): 1 to 2"));
        assert!(!lines.iter().any(|line| line.starts_with("Vote(")), "{lines:?}");
    }
}
