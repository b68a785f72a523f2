//! Rules on the text of the sources: sizes, names, words, and tests that really check something.

use std::path::Path;

use crate::check;

const FILE_LINES_MAX: usize = 600;
const LIB_LINES_MAX: usize = 60;
const LINE_CHARS_MAX: usize = 100;
/// The ratchet for the length of a function: it may go down, never up.
const FUNCTION_LINES_MAX: usize = 100;

const BANNED_NAMES: &[&str] =
    &["utils", "util", "common", "helpers", "helper", "misc", "additional"];

fn read(path: &Path) -> String {
    let bytes =
        std::fs::read(testkit::workspace_root().join(path)).expect("a project file is read");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn rust_files() -> Vec<(String, String)> {
    testkit::project_files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| (path.display().to_string(), read(&path)))
        .collect()
}

#[test]
fn a_file_is_one_noun_or_one_procedure() {
    let mut findings = Vec::new();
    for (path, text) in rust_files() {
        let lines = text.lines().count();
        let limit = if path.ends_with("src/lib.rs") { LIB_LINES_MAX } else { FILE_LINES_MAX };
        if lines > limit {
            findings.push(format!("{path}: {lines} lines, at most {limit}: it wants another cut"));
        }
        let stem = Path::new(&path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if BANNED_NAMES.contains(&stem) {
            findings.push(format!("{path}: name the file after what is in it"));
        }
    }
    check("Files are short and named after one thing:", &findings);
}

#[test]
fn a_line_fits_a_screen() {
    let mut findings = Vec::new();
    for (path, text) in rust_files() {
        for (number, line) in text.lines().enumerate() {
            // A long literal cannot be wrapped without changing what it says.
            if line.chars().count() > LINE_CHARS_MAX && !line.contains('"') {
                findings.push(format!(
                    "{path}:{}: {} characters",
                    number + 1,
                    line.chars().count()
                ));
            }
        }
    }
    check("No line is longer than 100 characters:", &findings);
}

#[test]
fn a_test_finds_its_files_from_where_it_runs() {
    // Spelled in two parts, so that this file does not accuse itself.
    let compiled_in = ["env!(\"CARGO_", "MANIFEST_DIR\")"].concat();
    let sources = rust_files().into_iter().filter(|(_, text)| text.contains(&compiled_in));
    let findings: Vec<String> = sources
        .map(|(path, _)| {
            format!("{path}: another checkout may have compiled it; cargo runs it in its package")
        })
        .collect();
    check("No folder of a checkout is compiled in:", &findings);
}

#[test]
fn an_error_of_a_file_or_a_socket_says_more_than_its_kind() {
    let kind = ["Error", "Kind::"].concat();
    let bare = |line: &str| {
        let (before, after) = line.split_once(kind.as_str())?;
        let name: String = after.chars().take_while(|c| c.is_alphanumeric()).collect();
        let rest = &after[name.len()..];
        let opened = ["from(", "ok_or("].iter().any(|call| {
            let path = before.strip_suffix("std::io::").or_else(|| before.strip_suffix("io::"));
            path.unwrap_or(before).ends_with(call)
        });
        // What would wait for a disk is asked again where it may wait; nobody reads of it.
        let alone = rest.starts_with(".into()") || opened;
        (alone && name != "WouldBlock").then_some(name)
    };
    let mut findings = Vec::new();
    for (path, text) in rust_files() {
        // What breaks on purpose in a test is told by the test.
        if path.starts_with("testkit/") || path.contains("/tests/") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if let Some(name) = bare(line) {
                findings.push(format!(
                    "{path}:{}: {name} alone is printed as \"entity not found\" and the like; \
                     take the system's own error, or say what was tried",
                    number + 1
                ));
            }
        }
    }
    check("An I/O error says what was tried:", &findings);
}

/// Where a lock is taken although somebody panicked under it, with the reason beside it.
const WHOLE_AFTER_A_PANIC: [&str; 5] = [
    "broker/coordinator/src/runtime/mod.rs",
    "broker/log/src/dirs.rs",
    "broker/log/src/epoch.rs",
    "broker/log/src/store/memory.rs",
    "broker/cluster/src/lock.rs",
];

#[test]
fn what_a_lock_of_the_broker_guards_is_gone_on_with_after_a_panic_only_for_a_reason() {
    // Spelled in two parts, so that this file does not accuse itself.
    let ignored = ["Poison", "Error"].concat();
    let sources = rust_files().into_iter().filter(|(path, _)| path.starts_with("broker/"));
    let findings: Vec<String> = sources
        .filter(|(path, text)| {
            text.contains(&ignored) && !WHOLE_AFTER_A_PANIC.contains(&path.as_str())
        })
        .map(|(path, _)| format!("{path}: take the lock as broker/cluster/src/lock.rs says"))
        .collect();
    check("A panic under a lock may leave half a change:", &findings);
}

/// The lines of each function, found by the indentation that rustfmt guarantees.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let indent = line.len() - body.len();
        let words = body.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let words = words.trim_start_matches("pub(super) ").trim_start_matches("const ");
        let words = words.trim_start_matches("async ").trim_start_matches("unsafe ");
        let Some(rest) = words.strip_prefix("fn ") else { continue };
        // A signature without a body, as in a trait, ends with a semicolon.
        let head = lines[start..].iter().find(|line| line.ends_with(['{', ';', '}']));
        if head.is_some_and(|head| !head.ends_with('{')) {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(indent));
        let end = lines[start..].iter().position(|line| *line == closing);
        let Some(length) = end else { continue };
        let name = rest.split(['(', '<']).next().unwrap_or_default();
        found.push((start + 1, name.to_owned(), length + 1));
    }
    found
}

#[test]
fn a_function_fits_a_screen() {
    let mut findings = Vec::new();
    for (path, text) in rust_files() {
        for (line, name, length) in functions(&text) {
            if length > FUNCTION_LINES_MAX {
                findings.push(format!("{path}:{line}: {name} has {length} lines"));
            }
        }
    }
    check("No function is longer than its ratchet:", &findings);
}

#[test]
fn a_comment_tells_why_and_not_the_history() {
    // Spelled in two parts, so that this file does not accuse itself.
    let banned: Vec<String> = [
        ("previ", "ously"),
        ("before this ", "change"),
        ("FIX", "ME"),
        ("TO", "DO"),
        ("XX", "X"),
        ("Phase ", "1"),
        ("Phase ", "2"),
    ]
    .iter()
    .map(|(head, tail)| format!("{head}{tail}"))
    .collect();
    let mut findings = Vec::new();
    for (path, text) in rust_files() {
        for (number, line) in text.lines().enumerate() {
            let Some((_, comment)) = line.split_once("//") else { continue };
            if let Some(word) = banned.iter().find(|word| comment.contains(word.as_str())) {
                findings.push(format!("{path}:{}: the comment says {word:?}", number + 1));
            }
        }
    }
    check("Comments say why; what was and what will be is elsewhere:", &findings);
}

#[test]
fn a_test_checks_something() {
    let mut findings = Vec::new();
    for (path, text) in rust_files() {
        let lines: Vec<&str> = text.lines().collect();
        for (line, name, length) in functions(&text) {
            let attributes =
                lines[..line - 1].iter().rev().take_while(|l| l.trim().starts_with("#["));
            let is_test = attributes.into_iter().any(|l| {
                let attribute = l.trim();
                attribute == "#[test]" || attribute.starts_with("#[tokio::test")
            });
            let body = lines[line - 1..line - 1 + length].join("\n");
            // A helper whose name says that it checks, or a macro that asserts.
            let checks = ["assert", "check", "expect_", "must_", "verify", "refused("]
                .iter()
                .any(|w| body.contains(w));
            if is_test && !checks {
                findings.push(format!("{path}:{line}: {name}"));
            }
        }
    }
    check("A test asserts something:", &findings);
}

#[test]
fn no_text_names_a_machine_or_a_workplace() {
    let banned: Vec<String> = [("/ro", "ot/"), ("/ho", "me/"), ("/wo", "rk/"), ("/fa", "rm/")]
        .iter()
        .map(|(head, tail)| format!("{head}{tail}"))
        .collect();
    let mut findings = Vec::new();
    for path in testkit::project_files() {
        let text = read(&path);
        if path.file_name().is_some_and(|name| name == "Cargo.lock") || text.contains('\0') {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if banned.iter().any(|word| line.contains(word.as_str())) {
                findings.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    check("No path of one machine stands in the tree:", &findings);
}

#[test]
fn the_functions_of_a_file_are_found_with_their_length() {
    let text = "fn one() {\n}\n\nimpl X {\n    pub fn two(\n        &self,\n    ) {\n        body();\n    }\n}\n";
    let expected = vec![(1, "one".to_owned(), 2), (5, "two".to_owned(), 5)];
    assert_eq!(functions(text), expected);
}
