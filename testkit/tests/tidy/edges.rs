//! Which crate may import which: the table of `docs/architecture.md`, held against Cargo's view.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::check;

const BROKER: &[&str] = &["broker-log", "broker-metadata", "broker-coordinator", "broker-server"];

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
