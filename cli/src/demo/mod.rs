//! `yeoul demo`: the main job on real data. Flights are read from a file, joined with their
//! airlines, counted and averaged by airline and hour, and shown while they change.
//!
//! On a terminal the table is redrawn as it changes and stays until Ctrl-C. Elsewhere plain lines
//! tell how far it is, and the final table ends the output.

mod board;
mod screen;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use connect::{ConnectorConfig, ConnectorStatus, TaskState};
use sql::{Outcome, QueryStream, RowEvent};

use self::board::Board;
use self::screen::Screen;
use crate::platform::{Platform, ServerOptions};
use crate::signals;

/// Real flights through a continuous query, shown live
#[derive(Args, Debug)]
pub(crate) struct DemoOptions {
    /// The data folder; a second run on it goes on where the first one was
    #[arg(long, value_name = "DIR", default_value = "yeoul-demo")]
    data: PathBuf,
    /// The folder with flights.sql, the connector files and data/
    #[arg(long, value_name = "DIR", default_value = "examples/flights")]
    files: PathBuf,
    /// Where Kafka clients connect
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    listen: String,
    /// Where the schema registry answers
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    registry_listen: String,
    /// Where the SQL engine answers
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8088")]
    sql_listen: SocketAddr,
    /// Flights a second, 0 for as fast as they go [default: 1500 on a terminal, else 0]
    #[arg(long)]
    rate: Option<u32>,
}

/// A pace at which a person can watch.
const WATCHABLE_RATE: u32 = 1500;
/// The name of the connector whose progress is shown.
const FLIGHTS: &str = "flights";
/// How often progress is looked at; rows are shown as they come.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs the demo to its end, or until the process is asked to stop.
///
/// # Errors
/// A file is missing, a part cannot start, or a statement or connector failed.
pub(crate) async fn run(options: &DemoOptions) -> anyhow::Result<()> {
    let script = read_script(&options.files)?;
    let mut config = server_options(options).platform()?;
    let mut screen = Screen::new();
    let usual_rate = if screen.is_live() { WATCHABLE_RATE } else { 0 };
    let rate = options.rate.unwrap_or(usual_rate);
    config.connectors = connectors(&options.files, rate)?;
    let platform = Platform::start(config).await?;
    screen.say(&format!(
        "broker {}, schema registry {}, SQL {}",
        platform.broker_address,
        platform.registry_url(),
        platform.sql_url()
    ));
    let outcome = tokio::select! {
        outcome = show(&platform, &script, &mut screen) => outcome,
        () = signals::stop_requested() => Ok(()),
    };
    screen.close();
    platform.shutdown().await?;
    outcome
}

fn read_script(files: &Path) -> anyhow::Result<String> {
    let path = files.join("flights.sql");
    std::fs::read_to_string(&path).with_context(|| {
        format!("{}: run the demo from the project's folder, or name --files", path.display())
    })
}

fn server_options(options: &DemoOptions) -> ServerOptions {
    ServerOptions {
        data: options.data.clone(),
        config: None,
        listen: options.listen.clone(),
        registry_listen: options.registry_listen.clone(),
        sql_listen: options.sql_listen,
        connector: Vec::new(),
    }
}

/// The connectors of the demo's folder, with their files below it.
fn connectors(files: &Path, rate: u32) -> anyhow::Result<Vec<ConnectorConfig>> {
    let mut connectors = Vec::new();
    for name in ["airlines", FLIGHTS] {
        let mut config = ConnectorConfig::read(&files.join(format!("{name}.properties")))?;
        let data = files.join("data").join(format!("{name}.csv"));
        config.settings.insert("files".to_owned(), data.display().to_string());
        if name == FLIGHTS {
            config.settings.insert("records.per.second".to_owned(), rate.to_string());
        }
        connectors.push(config);
    }
    Ok(connectors)
}

/// Starts the query when its sources are there, shows its changes, and ends with the final table.
async fn show(platform: &Platform, script: &str, screen: &mut Screen) -> anyhow::Result<()> {
    sources_are_there(platform).await?;
    execute(platform, script).await?;
    let mut board = Board::default();
    // What earlier runs have made is shown at once; changes come on top of it.
    let mut changes = query(platform, "SELECT * FROM departures EMIT CHANGES;").await?;
    board.fill(&mut query(platform, PULL).await?).await?;
    let all_through = async {
        platform.worker.wait_done().await?;
        platform.engine.wait_caught_up().await?;
        anyhow::Ok(())
    };
    tokio::pin!(all_through);
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            biased;
            done = &mut all_through => break done?,
            event = changes.rows.recv() => board.apply(event.context("the push query ended")?)?,
            _ = look.tick() => screen.show(&status(platform, FLIGHTS)?, &board),
        }
    }
    let mut last = Board::default();
    last.fill(&mut query(platform, PULL).await?).await?;
    screen.end(&status(platform, FLIGHTS)?, &last);
    if screen.is_live() {
        follow(&mut changes, screen, last).await?;
    }
    Ok(())
}

/// The whole table as it is.
const PULL: &str = "SELECT * FROM departures;";

/// Shows later changes too, for somebody may produce further flights.
async fn follow(
    changes: &mut QueryStream,
    screen: &mut Screen,
    mut board: Board,
) -> anyhow::Result<()> {
    while let Some(event) = changes.rows.recv().await {
        board.apply(event)?;
        screen.redraw(&board);
    }
    Ok(())
}

/// Waits until all airlines and the first flights are on their topics: the query takes its columns
/// from their schemas, and a flight is joined with the airlines that are there.
async fn sources_are_there(platform: &Platform) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let flights = status(platform, FLIGHTS)?;
        let airlines = status(platform, "airlines")?;
        let has_flights = flights.state == TaskState::Done || flights.records_written > 0;
        if airlines.state == TaskState::Done && has_flights {
            return Ok(());
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

/// What a query says beside its rows.
fn row_of(event: RowEvent) -> anyhow::Result<Option<Vec<serde_json::Value>>> {
    match event {
        RowEvent::Row(cells) => Ok(Some(cells)),
        RowEvent::Tombstone(_) | RowEvent::Final(_) => Ok(None),
        RowEvent::Error(message) => bail!("{message}"),
    }
}
