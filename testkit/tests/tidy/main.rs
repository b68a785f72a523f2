//! The rules of the tree, as tests: each failure names the place and what to do about it.

mod edges;
mod setup;
mod sources;
mod symbols;

/// Fails with all findings at once, so that one run shows the whole work to be done.
fn check(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}\n  {}\n", findings.join("\n  "));
}
