//! A broker alone: `broker server.properties [KEY=VALUE..]`. Ctrl-C stops it in order.

use std::process::ExitCode;

use broker_metadata::config::load_properties;
use broker_server::{Broker, BrokerConfig};

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: broker server.properties [KEY=VALUE..]")?;
    let mut layer = load_properties(&std::fs::read(&path)?)?;
    for argument in arguments {
        let (key, value) = argument.split_once('=').ok_or("an override is KEY=VALUE")?;
        layer.insert(key.to_owned(), value.to_owned());
    }
    let config = BrokerConfig::from_layer(layer)?;
    let broker = Broker::start(config).await?;
    println!("listening on {}", broker.address());
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done?,
        _ = terminate.recv() => {}
    }
    Ok(broker.shutdown().await?)
}
