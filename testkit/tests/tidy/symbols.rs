//! `tools/split-symbols`: the binary that is shipped is small, and its backtraces are whole.

use std::path::Path;
use std::process::{Command, Output};

const PANICS: &str = "#[inline(never)]
fn broken_here(at: usize) {
    let nothing: Vec<u8> = Vec::new();
    println!(\"{}\", nothing[at]);
}

fn main() {
    broken_here(std::env::args().count());
}
";

fn run(command: &mut Command) -> Output {
    command.output().expect("the command runs")
}

fn backtrace(binary: &Path) -> String {
    let output = run(Command::new(binary).env("RUST_BACKTRACE", "1"));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_stripped_binary_finds_its_symbols_beside_it() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let (source, binary) = (folder.path().join("panics.rs"), folder.path().join("panics"));
    std::fs::write(&source, PANICS).expect("a source is written");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = run(Command::new(rustc)
        .args(["-O", "-C", "debuginfo=line-tables-only", "-o"])
        .arg(&binary)
        .arg(&source));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let size = || std::fs::metadata(&binary).expect("the binary is there").len();
    let before = size();

    let script = testkit::workspace_root().join("tools/split-symbols");
    let split = run(Command::new(&script).arg(&binary));
    assert!(split.status.success(), "{}", String::from_utf8_lossy(&split.stderr));
    assert!(size() < before / 2, "{} of {before} bytes are left", size());
    let whole = backtrace(&binary);
    assert!(whole.contains("broken_here") && whole.contains("panics.rs:4"), "{whole}");

    std::fs::remove_file(folder.path().join("panics.debug")).expect("the symbols are there");
    let bare = backtrace(&binary);
    assert!(bare.contains("index out of bounds") && !bare.contains("broken_here"), "{bare}");

    let absent = run(Command::new(&script).arg(folder.path().join("gone")));
    assert!(!absent.status.success());
    assert!(String::from_utf8_lossy(&absent.stderr).contains("is not there"));
}
