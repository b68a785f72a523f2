//! `yeoul demo`: the main job on real data. Flights are read from a file, joined with their
//! airlines, counted and averaged by airline and hour, and shown while they change.
//!
//! ```text
//!   files      what the binary carries, or --files      pace    rates, overtaking
//!   board      the table, and its sums                  frame   a picture as lines of text
//!   screen     a drawn terminal, or plain lines         terminal  its size, its keys
//! ```
//!
//! On a terminal the race of the airlines is drawn as it changes and stays until the user leaves.
//! Elsewhere plain lines tell how far it is, and the final table ends the output.

mod board;
mod files;
mod frame;
mod pace;
mod screen;
mod terminal;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use connect::{ConnectorStatus, TaskState};
use sql::{Outcome, QueryStream};
use tokio::sync::mpsc;

use self::board::Board;
use self::files::{AIRLINES, FLIGHTS, Files};
use self::screen::{About, Screen};
use crate::platform::{Platform, ServerOptions};
use crate::signals;

/// Watch 9,762 real flights run through a continuous query
///
/// Starts a whole server on a data folder of its own, reads the flights from a file to a topic,
/// joins them with their airlines, and counts them by airline and hour in a table that changes with
/// each flight that leaves. All that it needs is in this program. While it runs, Kafka clients and
/// `yeoul sql` may connect.
#[derive(Args, Debug)]
pub(crate) struct DemoOptions {
    /// The data folder; a second run on it goes on where the first one was [default:
    /// ~/.local/share/yeoul/demo, or below $XDG_DATA_HOME]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A folder with flights.sql, the connector files and data/, in place of those carried along
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
    /// Where Kafka clients connect
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    listen: String,
    /// Where the schema registry answers
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    registry_listen: String,
    /// Where the SQL engine answers
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8088")]
    sql_listen: String,
    /// Flights a second, 0 for as fast as they go [default: 600 on a terminal, else 0]
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
}

/// A pace at which a person can watch: a quarter of a minute for all flights.
const WATCHABLE_RATE: u32 = 600;
/// How often the picture is drawn, and progress looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The whole table as it is.
const PULL: &str = "SELECT * FROM departures;";

/// What a watcher may ask the table.
const EXAMPLE: &str = "SELECT * FROM departures LIMIT 5;";

/// Runs the demo to its end, or until the user or a signal ends it.
///
/// # Errors
/// A file is missing, a part cannot start, or a statement or connector failed.
pub(crate) async fn run(options: &DemoOptions) -> anyhow::Result<()> {
    let data = options.data.clone().unwrap_or_else(default_data);
    let files = match &options.files {
        Some(folder) => Files::of(folder),
        None => Files::unpack(&data).context("name a folder for the demo's data with --data")?,
    };
    let script = files.script()?;
    let live = terminal::can_draw();
    let rate = options.rate.unwrap_or(if live { WATCHABLE_RATE } else { 0 });
    let mut config = server_options(options, &data).platform()?;
    config.connectors = files.connectors(rate)?;
    let platform = Platform::start(config).await.context(
        "the demo cannot start its server; if another one has its ports, name others with \
         --listen, --registry-listen and --sql-listen",
    )?;
    let mut board = Board::default();
    let (mut screen, keys) = Screen::new(live, about(&platform, &data));
    let outcome = tokio::select! {
        outcome = show(&platform, &script, &mut board, &mut screen) => outcome,
        () = signals::stop_requested() => Ok(()),
        () = left_by_key(keys) => Ok(()),
    };
    screen.close(&board);
    platform.shutdown().await?;
    outcome
}

/// Waits until the user wants to leave; for ever where there are no keys.
async fn left_by_key(keys: Option<mpsc::Receiver<()>>) {
    if let Some(mut keys) = keys
        && keys.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// `$XDG_DATA_HOME/yeoul/demo`, or the same under `~/.local/share`; without either of them, a
/// folder here.
fn default_data() -> PathBuf {
    match sql::shell::data_folder() {
        Some(folder) => folder.join("demo"),
        None => PathBuf::from("yeoul-demo"),
    }
}

fn server_options(options: &DemoOptions, data: &Path) -> ServerOptions {
    ServerOptions {
        data: data.to_owned(),
        config: None,
        listen: options.listen.clone(),
        registry_listen: options.registry_listen.clone(),
        sql_listen: options.sql_listen.clone(),
        connector: Vec::new(),
    }
}

fn about(platform: &Platform, data: &Path) -> About {
    About {
        addresses: format!(
            "Kafka {}  registry {}  SQL {}",
            platform.broker_address,
            platform.registry_url(),
            platform.sql_url()
        ),
        data: data.display().to_string(),
        example: match platform.sql_url().strip_suffix(":8088") {
            Some(_) => format!("yeoul sql -e \"{EXAMPLE}\""),
            None => format!("yeoul sql {} -e \"{EXAMPLE}\"", platform.sql_url()),
        },
    }
}

/// Starts the query when its sources are there and shows its changes. Ends with the final table; on
/// a terminal it goes on, for somebody may produce further flights.
async fn show(
    platform: &Platform,
    script: &str,
    board: &mut Board,
    screen: &mut Screen,
) -> anyhow::Result<()> {
    sources_are_there(platform, board, screen).await?;
    execute(platform, script).await?;
    // What earlier runs have made is shown at once. What changes from then on comes on top of it
    // and is counted, none left out: the second query begins with the table's past.
    board.fill(&mut query(platform, PULL).await?).await?;
    let mut changes = query(platform, "SELECT * FROM departures EMIT CHANGES;").await?;
    let all_through = async {
        platform.worker.wait_done().await?;
        platform.engine.wait_caught_up().await?;
        anyhow::Ok(())
    };
    tokio::pin!(all_through);
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut done = false;
    loop {
        tokio::select! {
            // Changes come faster than anything else: they wait for the picture, not it for them.
            biased;
            _ = look.tick() => screen.show(&status(platform, FLIGHTS)?, board),
            through = &mut all_through, if !done => {
                through?;
                done = true;
                if !screen.is_live() {
                    board.fill(&mut query(platform, PULL).await?).await?;
                }
                screen.finish(&status(platform, FLIGHTS)?, board);
                if !screen.is_live() {
                    return Ok(());
                }
            }
            event = changes.rows.recv() => board.apply(event.context("the push query ended")?)?,
        }
    }
}

/// Waits until all airlines and the first flights are on their topics: the query takes its columns
/// from their schemas, and a flight is joined with the airlines that are there.
async fn sources_are_there(
    platform: &Platform,
    board: &Board,
    screen: &mut Screen,
) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let flights = status(platform, FLIGHTS)?;
        let airlines = status(platform, AIRLINES)?;
        let has_flights = flights.state == TaskState::Done || flights.records_written > 0;
        if airlines.state == TaskState::Done && has_flights {
            return Ok(());
        }
        if screen.is_live() {
            screen.show(&flights, board);
        }
    }
}

/// A connector's state, unless it failed.
fn status(platform: &Platform, name: &str) -> anyhow::Result<ConnectorStatus> {
    let all = platform.worker.status();
    let found = all.into_iter().find(|status| status.name == name);
    let status = found.with_context(|| format!("there is no connector {name}"))?;
    if let TaskState::Failed(reason) = &status.state {
        bail!("connector {name} failed: {reason}");
    }
    Ok(status)
}

async fn execute(platform: &Platform, text: &str) -> anyhow::Result<Vec<Outcome>> {
    let done = platform.engine.execute(text, &HashMap::new()).await;
    done.map_err(|failed| anyhow::anyhow!("{}", failed.error.render(text)))
}

async fn query(platform: &Platform, text: &str) -> anyhow::Result<QueryStream> {
    match execute(platform, text).await?.pop() {
        Some(Outcome::Rows(rows)) => Ok(rows),
        _ => bail!("{text} answered without rows"),
    }
}
