//! The commands of the README and of the pages in `docs`, run as they stand there.
//!
//! A fenced block of the language `console` is run, line by line, in the order of the page: `$ `
//! begins a command (a `\` at its end continues it), and the lines below it are what it prints,
//! where the page shows them: `...` alone on a line is any number of lines, and within a line any
//! text. A command without lines below it has to succeed. A block whose language is followed by a
//! name, such as `properties orders.properties`, is a file that the commands find. What cannot be
//! run here says why: `console (not run: needs kcat)`.
//!
//! Each page has a folder of its own, its home too, with the project's `examples`. Servers are
//! started on free ports, which then stand in the place of 9092, 8081 and 8088.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::broker::{YEOUL, install};
use crate::server::{FREE_PORTS, Server};

/// Words at the beginning of a line that make it a command.
const COMMANDS: [&str; 4] = ["yeoul ", "kafka-", "curl ", "kcat "];

fn root() -> PathBuf {
    std::fs::canonicalize("..").expect("the folder of the project")
}

/// A fenced or indented block of a page.
#[derive(Debug)]
struct Block {
    /// Line of the page, from 1.
    line: usize,
    /// What stands behind the fence; empty for an indented block.
    info: String,
    text: String,
}

impl Block {
    fn is_run(&self) -> bool {
        self.info == "console"
    }

    fn is_excused(&self) -> bool {
        self.info.starts_with("console (not run: ")
    }

    /// The name of the file that the block is.
    fn file(&self) -> Option<&str> {
        let (language, name) = self.info.split_once(' ')?;
        (language != "console").then_some(name)
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fenced = false;
    let mut indented = false;
    for (at, line) in page.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            fenced = !fenced;
            if fenced {
                let info = info.trim().to_owned();
                blocks.push(Block { line: at + 1, info, text: String::new() });
            }
            indented = false;
            continue;
        }
        let inside = fenced || line.starts_with("    ");
        if !fenced && inside && !indented {
            blocks.push(Block { line: at + 1, info: String::new(), text: String::new() });
        }
        indented = !fenced && inside;
        if let Some(block) = blocks.last_mut().filter(|_| inside) {
            block.text.push_str(if fenced { line } else { line.trim_start() });
            block.text.push('\n');
        }
    }
    blocks
}

/// A command, and the lines below it.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    expected: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut continued = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), expected: Vec::new() });
        } else if let Some(step) = steps.last_mut() {
            if continued {
                step.command.push('\n');
                step.command.push_str(line);
            } else {
                step.expected.push(line.to_owned());
            }
        }
        continued = line.ends_with('\\') && (continued || line.starts_with("$ "));
    }
    steps
}

/// Whether the lines are those of a page.
fn fits(expected: &[String], found: &[&str]) -> bool {
    match (expected.split_first(), found.split_first()) {
        (None, _) => found.is_empty(),
        (Some((any, rest)), _) if any == "..." => {
            (0..=found.len()).any(|skipped| fits(rest, &found[skipped..]))
        }
        (Some((line, rest)), Some((first, others))) => {
            line_fits(line, first.trim_end()) && fits(rest, others)
        }
        (Some(_), None) => false,
    }
}

fn line_fits(expected: &str, found: &str) -> bool {
    let parts: Vec<&str> = expected.trim_end().split("...").collect();
    let [first, middle @ .., last] = parts.as_slice() else { return expected == found };
    let Some(mut rest) = found.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Where a page's commands run.
struct Session {
    home: PathBuf,
    path: String,
    server: Option<Server>,
}

impl Session {
    fn new(home: &Path) -> Self {
        let links = install(home);
        std::os::unix::fs::symlink(YEOUL, links.join("yeoul")).expect("a link is made");
        std::os::unix::fs::symlink(root().join("examples"), home.join("examples"))
            .expect("a link is made");
        let path = format!("{}:{}", links.display(), std::env::var("PATH").unwrap_or_default());
        Self { home: home.to_owned(), path, server: None }
    }

    /// A text of the page with the ports of the server that runs.
    fn placed(&self, text: &str) -> String {
        let Some(server) = &self.server else { return text.to_owned() };
        let Server { broker, registry, sql, .. } = server;
        let mut text = text.replace("yeoul sql ", &format!("yeoul sql http://{sql} "));
        for (port, address) in [("9092", broker), ("8081", registry), ("8088", sql)] {
            for host in ["localhost", "127.0.0.1"] {
                text = text.replace(&format!("{host}:{port}"), address);
            }
        }
        text
    }

    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("bash");
        shell
            .args(["-c", command])
            .current_dir(&self.home)
            .env("HOME", &self.home)
            .env_remove("XDG_DATA_HOME")
            .env("PATH", &self.path)
            .stdin(Stdio::null());
        shell
    }

    fn run(&mut self, command: &str) -> Output {
        let command = match command.split_whitespace().take(2).collect::<Vec<_>>()[..] {
            ["yeoul", "demo"] => format!("{command} {}", FREE_PORTS.join(" ")),
            _ => self.placed(command),
        };
        self.shell(&command).output().expect("bash runs")
    }

    /// Starts `yeoul server ..` in the place of one that runs; answers what it printed.
    fn serve(&mut self, command: &str) -> String {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        // `exec`: the server itself is to get the signal.
        let command = format!("exec {command} {}", FREE_PORTS.join(" "));
        let server = Server::start(&mut self.shell(&command));
        let ready = server.ready.clone();
        self.server = Some(server);
        ready
    }
}

/// Runs a page's commands.
fn check(page: &str) {
    let text = std::fs::read_to_string(root().join(page)).expect("the page is there");
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut session = Session::new(home.path());
    let mut commands = 0;
    for block in blocks(&text) {
        if let Some(name) = block.file() {
            std::fs::write(home.path().join(name), session.placed(&block.text))
                .expect("a file is written");
        }
        if !block.is_run() {
            continue;
        }
        for Step { command, expected } in steps(&block.text) {
            commands += 1;
            let place = format!("{page}, block of line {}: {command}", block.line);
            let found = if command.starts_with("yeoul server") {
                session.serve(&command)
            } else {
                let output = session.run(&command);
                let errors = String::from_utf8_lossy(&output.stderr);
                let found = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(output.status.success(), "{place}\n{}\n{found}{errors}", output.status);
                found
            };
            let expected: Vec<String> = expected.iter().map(|l| session.placed(l)).collect();
            let lines: Vec<&str> = found.lines().collect();
            assert!(
                expected.is_empty() || fits(&expected, &lines),
                "{place}\nprinted\n{found}\nand the page has\n{}",
                expected.join("\n")
            );
        }
    }
    assert!(commands > 0, "{page} has no commands");
    if let Some(server) = session.server.take() {
        server.stop();
    }
}

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    check("README.md");
}

#[test]
fn the_commands_of_the_connect_page_do_what_it_says() {
    check("docs/connect.md");
}

#[test]
fn the_commands_of_the_sql_page_do_what_it_says() {
    check("docs/sql.md");
}

#[test]
fn the_commands_of_the_registry_page_do_what_it_says() {
    check("docs/registry.md");
}

#[test]
fn the_commands_of_the_tools_page_do_what_it_says() {
    check("docs/tools.md");
}

/// The pages whose commands a test above runs; those of the others have to say why not.
const RUN: [&str; 5] =
    ["README.md", "docs/connect.md", "docs/sql.md", "docs/registry.md", "docs/tools.md"];

#[test]
fn no_command_stands_on_a_page_without_being_run_or_excused() {
    let docs = std::fs::read_dir(root().join("docs")).expect("the pages are there");
    let mut pages = vec![root().join("README.md")];
    pages.extend(docs.map(|entry| entry.expect("a page").path()));
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    for path in pages {
        let text = std::fs::read_to_string(&path).expect("the page is there");
        let is_run = RUN.iter().any(|page| path.ends_with(page));
        for block in blocks(&text) {
            if block.is_excused() || (block.is_run() && is_run) {
                continue;
            }
            let command = |line: &&str| {
                let line = line.trim_start().trim_start_matches("$ ");
                COMMANDS.iter().any(|word| line.starts_with(word))
            };
            let found: Vec<&str> = block.text.lines().filter(command).collect();
            assert!(
                found.is_empty(),
                "{}, line {}: a ```console block runs commands, or says (not run: why): {found:?}",
                path.display(),
                block.line
            );
        }
    }
}

#[test]
fn a_page_is_read_into_commands_and_what_they_print() {
    let page = "text\n\n    yeoul old\n\n```console\n$ a \\\n  b\nx\n...\n$ c\n```\n\
                ```sql q.sql\nS;\n```\n";
    let found = blocks(page);
    assert_eq!(found.iter().map(|b| b.line).collect::<Vec<_>>(), [3, 5, 12]);
    assert_eq!(found[2].file(), Some("q.sql"));
    let step = |command: &str, expected: &[&str]| Step {
        command: command.to_owned(),
        expected: expected.iter().map(|line| (*line).to_owned()).collect(),
    };
    assert_eq!(steps(&found[1].text), [step("a \\\n  b", &["x", "..."]), step("c", &[])]);
    let expected = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
    assert!(fits(&expected(&["a", "...", "z ... y"]), &["a", "b", "c", "z 12 y"]));
    assert!(fits(&expected(&["..."]), &[]));
    assert!(!fits(&expected(&["a"]), &["a", "b"]));
    assert!(!fits(&expected(&["a ... c"]), &["a b"]));
    assert!(!line_fits("ab", "abc") && line_fits("ab", "ab"));
}
