//! Kafka's command-line tools, by their names: the same options, output and exit statuses.
//!
//! A tool is one module with a `TOOL` constant. It gets its arguments as typed and answers with the
//! exit status; what it prints is Kafka's text, which people's scripts read.

pub(crate) mod absent;
mod broker_api_versions;
mod cluster;
mod configs;
pub(crate) mod connection;
mod console;
mod consumer_groups;
mod coordinator_records;
mod delete_records;
mod dump_log;
mod get_offsets;
mod groups;
pub(crate) mod install;
mod json;
mod log_dirs;
pub(crate) mod options;
mod perf;
mod server_start;
mod server_stop;
mod storage;
mod topics;

use futures::future::BoxFuture;

use self::options::Opt;

/// One of Kafka's tools.
pub(crate) struct Tool {
    /// The name of Kafka's script, without `.sh`.
    pub(crate) name: &'static str,
    /// One line for `yeoul tools list`.
    pub(crate) about: &'static str,
    /// What it takes, for the completion of command lines.
    pub(crate) options: &'static [Opt],
    /// Runs it on the arguments that follow its name; answers the exit status.
    pub(crate) run: fn(Vec<String>) -> BoxFuture<'static, i32>,
}

const TOOLS: &[Tool] = &[
    broker_api_versions::TOOL,
    cluster::TOOL,
    configs::TOOL,
    console::consumer::TOOL,
    console::producer::TOOL,
    consumer_groups::TOOL,
    delete_records::TOOL,
    dump_log::TOOL,
    get_offsets::TOOL,
    groups::TOOL,
    log_dirs::TOOL,
    perf::consumer::TOOL,
    perf::producer::TOOL,
    server_start::TOOL,
    server_stop::TOOL,
    storage::KAFKA_STORAGE,
    storage::ZOOKEEPER_SERVER_START,
    topics::TOOL,
];

/// All tools, by name.
pub(crate) fn all() -> &'static [Tool] {
    TOOLS
}

/// The tool of this name, with or without `.sh`.
pub(crate) fn find(name: &str) -> Option<&'static Tool> {
    let name = name.strip_suffix(".sh").unwrap_or(name);
    TOOLS.iter().find(|tool| tool.name == name)
}

/// Runs a tool to its end on a runtime of its own.
pub(crate) fn run(tool: &Tool, arguments: &[String]) -> i32 {
    if tool.name != server_start::TOOL.name {
        crate::logging::init("warn", None);
        crate::output::end_with_its_reader();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{}: cannot start: {error}", tool.name);
            return 1;
        }
    };
    let status = runtime.block_on((tool.run)(arguments.to_vec()));
    // Standard input is read on a thread that cannot be interrupted: do not wait for it.
    runtime.shutdown_background();
    status
}
