//! Which crate may import which: the table of `docs/architecture.md`, held against Cargo's view.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::check;

const BROKER: &[&str] = &[
    "broker-log",
    "broker-metadata",
    "broker-raft",
    "broker-cluster",
    "broker-coordinator",
    "broker-server",
];

/// Normal dependencies among our own crates. Dev-dependencies are free: tests may use anything.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let everything = [
        &["javatext", "protocol", "client", "formats"][..],
        &["registry", "connect"],
        &["streams", "sql"],
        BROKER,
    ]
    .concat();
    BTreeMap::from([
        ("javatext", vec![]),
        ("protocol", vec![]),
        ("formats", vec!["javatext"]),
        ("client", vec!["protocol"]),
        ("broker-log", vec!["protocol", "javatext"]),
        ("broker-metadata", vec!["protocol", "javatext"]),
        ("broker-raft", vec!["protocol"]),
        (
            "broker-cluster",
            vec!["protocol", "client", "broker-log", "broker-raft", "broker-metadata"],
        ),
        ("broker-coordinator", vec!["protocol", "broker-metadata"]),
        ("broker-server", [BROKER, &["protocol"]].concat()),
        ("registry", vec!["client", "formats"]),
        ("connect", vec!["client", "formats", "javatext"]),
        ("streams", vec!["client", "formats"]),
        ("sql", vec!["streams", "client", "formats", "javatext"]),
        ("cli", everything),
        ("testkit", vec!["broker-log", "broker-server", "client"]),
    ])
}

#[test]
fn a_crate_imports_only_what_the_architecture_allows() {
    let metadata = MetadataCommand::new()
        .manifest_path(testkit::workspace_root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes the workspace");
    let allowed = allowed();
    let ours: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let Some(may) = allowed.get(package.name.as_str()) else {
            findings
                .push(format!("{}: not in the table; add it there and to the docs", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let counts = dependency.kind == DependencyKind::Normal && ours.contains(&name);
            if counts && !may.contains(&name) {
                findings.push(format!("{} may not import {name}", package.name));
            }
        }
    }
    check("A crate imports only what docs/architecture.md allows:", &findings);
}

#[test]
fn nothing_below_sql_depends_on_datafusion() {
    let metadata = MetadataCommand::new()
        .manifest_path(testkit::workspace_root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes the workspace");
    let findings: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| package.name.as_str() != "sql")
        .filter(|package| package.dependencies.iter().any(|d| d.name.starts_with("datafusion")))
        .map(|package| format!("{} depends on DataFusion", package.name))
        .collect();
    check("Only the crate sql depends on DataFusion:", &findings);
}

/// Each package with the features that it is built with, for a selection of packages.
fn features(selection: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--prefix", "none", "--format", "{p} [{f}]"])
        .args(selection)
        // What the selection alone would build is asked for.
        .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
        .current_dir(testkit::workspace_root())
        .output()
        .expect("cargo runs");
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{failed}");
    let lines = String::from_utf8(output.stdout).expect("names are text");
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn what_the_demo_builds_is_not_built_again_for_the_tests() {
    let demo = features(&["--package", "cli", "--edges", "normal,build"]);
    let tests = features(&["--workspace", "--edges", "normal,build,dev"]);
    let findings: Vec<String> = demo.difference(&tests).cloned().collect();
    check(
        "A dependency has other features in the tests than in the demo, so that it and all that \
         stands on it is built twice: let the workspace's table ask for what the tests ask for:",
        &findings,
    );
}

#[test]
fn the_broker_alone_is_built_without_what_makes_the_whole_slow_to_build() {
    let broker =
        features(&["--package", "cli", "--no-default-features", "--edges", "normal,build"]);
    let large = ["arrow", "bindgen", "datafusion", "librocksdb-sys", "rocksdb", "sql"];
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let findings: Vec<String> =
        broker.into_iter().filter(|line| large.contains(&name(line).as_str())).collect();
    check("`make broker` builds what only the whole binary needs:", &findings);
}
