//! A broker that is killed in the middle of its work.
//!
//! The broker to be killed is this very test program, started again with its work in the
//! environment.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use broker_server::Broker;
use protocol::ErrorCode;
use protocol::messages::ProduceRequest;
use tokio::net::TcpStream;

use crate::support::{TestBroker, Wire, batch, config_in, produce, records_of};

const DIR: &str = "YEOUL_TEST_CRASH_DIR";

/// In the program that is killed: serves until then. Otherwise there is nothing to do.
#[test]
fn broker_that_waits_to_be_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        assert_eq!(std::env::var_os(DIR), None);
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let broker = Broker::start(config_in(Path::new(&dir), &[])).await.unwrap();
        println!("\naddress {}", broker.address());
        std::future::pending::<()>().await;
    });
}

pub(crate) fn start_to_be_killed(dir: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::broker_that_waits_to_be_killed", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.by_ref().lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.strip_prefix("address ").map(str::to_owned));
    // What it says later has somewhere to go.
    child.stdout = Some(output.into_inner());
    (child, address.expect("the broker says its address"))
}

#[tokio::test]
async fn every_acknowledged_record_is_there_once_and_in_order_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, address) = start_to_be_killed(dir.path());
    let mut wire = Wire::new(TcpStream::connect(address).await.unwrap());
    wire.create_topic("t", 1, &[]).await;
    let mut acknowledged = 0;
    for number in 0..200 {
        wire.send(9, &produce("t", 0, -1, batch(&[&number.to_string()]))).await;
    }
    for number in 0..150 {
        let response = wire.receive::<ProduceRequest>(9).await;
        let response = &response.responses[0].partition_responses[0];
        assert_eq!((response.error_code, response.base_offset), (ErrorCode::None, number));
        acknowledged = number + 1;
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let broker = Broker::start(config_in(dir.path(), &[])).await.unwrap();
    let test = TestBroker { broker, dir };
    let mut wire = test.connect().await;
    let found = records_of(&wire.fetch("t", 0, 0, 0).await);
    assert!(found.len() as i64 >= acknowledged, "{} of {acknowledged}", found.len());
    let expected: Vec<(i64, String)> =
        (0..found.len() as i64).map(|number| (number, number.to_string())).collect();
    assert_eq!(found, expected);
    let next = wire.produce("t", 0, batch(&["after"])).await;
    assert_eq!(next.base_offset, found.len() as i64);
    test.stop().await;
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_the_records_before_it_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, address) = start_to_be_killed(dir.path());
    let mut wire = Wire::new(TcpStream::connect(address).await.unwrap());
    wire.create_topic("t", 1, &[]).await;
    wire.produce("t", 0, batch(&["a"])).await;
    wire.produce("t", 0, batch(&["b"])).await;
    child.kill().unwrap();
    child.wait().unwrap();
    // Half of a batch, as a machine leaves it that lost its power while writing.
    let torn = batch(&["torn"]);
    for path in ["t-0/00000000000000000000.log", "__cluster_metadata-0/00000000000000000000.log"] {
        let mut file = OpenOptions::new().append(true).open(dir.path().join(path)).unwrap();
        file.write_all(&torn[..torn.len() / 2]).unwrap();
    }
    let broker = Broker::start(config_in(dir.path(), &[])).await.unwrap();
    let test = TestBroker { broker, dir };
    let mut wire = test.connect().await;
    let found = records_of(&wire.fetch("t", 0, 0, 0).await);
    assert_eq!(found, [(0, "a".to_owned()), (1, "b".to_owned())]);
    assert_eq!(wire.produce("t", 0, batch(&["c"])).await.base_offset, 2);
    wire.create_topic("u", 1, &[]).await;
    test.stop().await;
}
