//! What a broker process holds of the machine's memory.

use std::time::Duration;

use protocol::messages::JoinGroupRequest;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::{ErrorCode, Writer, frame};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::crash::start_to_be_killed;
use crate::groups::find_coordinator;
use crate::support::Wire;

const MIB: u64 = 1024 * 1024;

/// A line of the process' status, in bytes.
fn status(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes * 1024
}

/// Has the broker give out a member id, which it keeps until the session ends.
async fn ask_for_an_id(wire: &mut Wire, session_timeout_ms: i32) {
    let request = JoinGroupRequest {
        group_id: "g".to_owned(),
        session_timeout_ms,
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol::default()],
        ..Default::default()
    };
    let client_id = "c".repeat(30_000);
    let encoded = frame::encode_request(&request, 4, 1, Some(&client_id));
    wire.stream.write_all(&encoded.map(Writer::into_bytes).unwrap()).await.unwrap();
    let answer = wire.receive::<JoinGroupRequest>(4).await;
    assert_eq!(answer.error_code, ErrorCode::MemberIdRequired);
}

#[tokio::test]
async fn memory_that_a_peak_took_goes_back_to_the_system() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, address) = start_to_be_killed(dir.path());
    let mut wire = Wire::new(TcpStream::connect(&address).await.unwrap());
    find_coordinator(&mut wire, "g").await;
    let idle = status(child.id(), "VmRSS:");
    // Some ids are kept for long, so that what is freed of the others lies between blocks in use.
    for number in 0..2_000 {
        let (soon, late) = (6_000, 1_800_000);
        ask_for_an_id(&mut wire, if number % 50 == 49 { late } else { soon }).await;
    }
    let mut seen = vec![idle / MIB, status(child.id(), "VmRSS:") / MIB];
    let given_back = async {
        while status(child.id(), "VmRSS:") > idle + 40 * MIB {
            seen.push(status(child.id(), "VmRSS:") / MIB);
            seen.dedup();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(120), given_back).await;
    seen.push(status(child.id(), "VmRSS:") / MIB);
    let peak = status(child.id(), "VmHWM:");
    child.kill().unwrap();
    child.wait().unwrap();
    println!("resident MiB, from idle over the peak of {} to the end: {seen:?}", peak / MIB);
    assert!(peak > idle + 128 * MIB, "{seen:?}");
    in_time.expect("the memory went back");
}
