//! `yeoul sql` beside a server that does not stay.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::broker::{YEOUL, printed};
use crate::server::{FREE_PORTS, Server};

fn server(folder: &Path) -> Server {
    let mut command = Command::new(YEOUL);
    command.arg("server").arg("--data").arg(folder.join("data")).args(FREE_PORTS);
    Server::start(&mut command)
}

fn sql(server: &Server, statements: &str) -> Command {
    let mut command = Command::new(YEOUL);
    command.args(["sql", &server.sql, "-e", statements]).stdin(Stdio::null());
    command
}

const STREAM: &str = "CREATE STREAM s (v VARCHAR) \
                      WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1); \
                      INSERT INTO s VALUES ('여울');";

/// Runs statements until they print `row`, lets the server end, and answers how they ended.
fn under(statements: &str, row: &str, end: impl FnOnce(Server)) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = server(folder.path());
    printed(&sql(&server, STREAM).output().expect("the shell runs"));
    let mut query = sql(&server, statements)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shell starts");
    let mut lines = BufReader::new(query.stdout.take().expect("its output is piped")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains(row))), "no row came");
    end(server);
    query.wait_with_output().expect("the shell ends")
}

const PUSH: &str = "SET 'auto.offset.reset' = 'earliest'; SELECT * FROM s EMIT CHANGES;";

#[test]
fn a_push_query_and_print_fail_with_the_reason_when_the_server_stops() {
    for statements in [PUSH, "PRINT s FROM BEGINNING;"] {
        let ended = under(statements, "여울", Server::stop);
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{errors}");
        assert!(errors.contains("The server is shutting down"), "{errors}");
    }
}

#[test]
fn a_push_query_fails_with_the_reason_when_the_server_is_gone() {
    let ended = under(PUSH, "여울", Server::kill);
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{errors}");
    assert!(errors.contains("The connection to the server at http://127.0.0.1:"), "{errors}");
}

#[test]
fn a_script_that_is_not_there_is_told_once() {
    let output = Command::new(YEOUL).args(["sql", "-f", "none.sql"]).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "yeoul: cannot read none.sql: No such file or directory (os error 2)\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn help_tells_a_newcomer_how_to_begin_and_names_every_command() {
    let help = |arguments: &[&str]| {
        printed(&Command::new(YEOUL).args(arguments).output().expect("it runs"))
    };
    let text = help(&["--help"]);
    assert!(text.starts_with("Streams of records on one machine, in one program"), "{text}");
    for line in ["  yeoul demo ", "  yeoul server ", "  yeoul sql ", "  yeoul kafka-topics "] {
        assert!(text.contains(line), "{text}");
    }
    assert!(help(&["sql", "--help"]).contains("yeoul sql test --jsonl"));
    assert!(help(&["sql", "test", "--help"]).contains("query-validation-tests"));
    assert!(help(&["demo", "--help"]).contains("~/.local/share/yeoul/demo"));
}
