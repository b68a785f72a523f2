//! One user's session: properties and variables here, statements to the server.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::Value as Json;

use super::client::{Client, Failure, Lines};
use super::commands::{Command, HELP};
use super::entities::entity;
use super::rows::RowPrinter;
use super::script::{self, Part};
use super::table::{OutputMode, shown};
use super::{ShellConfig, data_folder};
use crate::parser;
use crate::parser::ast::{Emit, Parsed, Show, Statement};

pub(super) struct Session {
    pub(super) client: Client,
    pub(super) output: OutputMode,
    /// Where typed lines are kept.
    pub(super) history: Option<PathBuf>,
    terminal: bool,
    properties: HashMap<String, String>,
    variables: HashMap<String, String>,
}

impl Session {
    pub(super) fn new(client: Client, config: &ShellConfig, terminal: bool) -> Self {
        let history = config.history.clone();
        let history = history.or_else(|| Some(data_folder()?.join("sql_history")));
        let (properties, variables) = (HashMap::new(), HashMap::new());
        Self { client, output: config.output, history, terminal, properties, variables }
    }

    /// Runs a script up to its first failure. False: there was one.
    pub(super) async fn script(&mut self, text: &str) -> bool {
        let done = match script::parts(text) {
            Ok(parts) => self.parts(parts).await,
            Err(message) => Err(message),
        };
        done.inspect_err(|message| eprintln!("{message}")).is_ok()
    }

    async fn parts(&mut self, parts: Vec<Part<'_>>) -> Result<(), String> {
        for part in parts {
            match part {
                Part::Statement(text) => self.statement(text).await?,
                Part::Command(command) => {
                    if !self.command(command).await? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Carries out a command of the shell; false: the user leaves.
    pub(super) async fn command(&mut self, command: Command) -> Result<bool, String> {
        match command {
            Command::Exit => return Ok(false),
            Command::Help => put(HELP),
            Command::Clear if self.terminal => put("\x1b[2J\x1b[H"),
            Command::Clear => {}
            Command::Version => put(&format!("Version: {}\n", env!("CARGO_PKG_VERSION"))),
            Command::History => put(&self.past()),
            Command::Output(None) => {
                put(&format!("Current output format: {}\n", self.output.word()));
            }
            Command::Output(Some(mode)) => {
                self.output = mode;
                self.say(&format!("Output format set to {}", mode.word()));
            }
            Command::Server(None) => put(&format!("{}\n", self.client.url)),
            Command::Server(Some(url)) => {
                self.client = Client::new(&url)?;
                self.say(&self.banner().await);
            }
        }
        Ok(true)
    }

    /// Which shell this is, and of which server.
    pub(super) async fn banner(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match self.client.info().await {
            Ok(info) => {
                let server = info["version"].as_str().unwrap_or("unknown");
                let url = &self.client.url;
                format!("Yeoul SQL {version}, server {server} at {url}. Type help for help.")
            }
            Err(failure) => format!("Yeoul SQL {version}\n{}", failure.message),
        }
    }

    fn past(&self) -> String {
        let history = self.history.as_ref();
        let text = history.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let entry =
            |(i, line): (usize, &str)| format!("{:>5}  {}\n", i + 1, line.replace("<\\n>", " "));
        text.lines().enumerate().map(entry).collect()
    }

    /// Runs a text of statements; an error is words for the user.
    pub(super) async fn statement(&mut self, text: &str) -> Result<(), String> {
        let text = parser::substitute(text, &self.variables);
        let parsed = parser::parse(&text).map_err(|error| error.render(&text))?;
        for statement in parsed {
            let part = text.get(statement.span.start..statement.span.end).unwrap_or(&text);
            self.one(&statement, part).await?;
        }
        Ok(())
    }

    async fn one(&mut self, parsed: &Parsed, text: &str) -> Result<(), String> {
        match &parsed.statement {
            Statement::Set { name, value } => {
                self.check_property(text).await?;
                let old = self.properties.insert(name.clone(), value.clone());
                let old = old.map_or(String::new(), |old| format!(" from '{old}'"));
                self.say(&format!(
                    "Successfully changed local property '{name}'{old} to '{value}'."
                ));
            }
            Statement::Unset { name } => match self.properties.remove(name) {
                Some(value) => self.say(&format!(
                    "Successfully unset local property '{name}' (value was '{value}')."
                )),
                None => {
                    return Err(format!("Cannot unset local property '{name}': it is not set."));
                }
            },
            Statement::Define { name, value } => {
                self.variables.insert(name.clone(), value.clone());
                self.say(&format!("Variable {name} is '{value}'"));
            }
            Statement::Undefine { name } => {
                if self.variables.remove(name).is_none() {
                    return Err(format!("Cannot find variable: {name}"));
                }
                self.say(&format!("Variable {name} is not set any more"));
            }
            Statement::Show(Show::Variables) => {
                let mut rows: Vec<Vec<String>> =
                    self.variables.iter().map(|(n, v)| vec![n.clone(), v.clone()]).collect();
                rows.sort();
                put(&shown(&["Variable Name", "Value"], &rows, self.output, self.terminal));
            }
            Statement::Select(query) => {
                self.query(text, query.emit == Emit::Unstated).await?;
            }
            Statement::Print(_) => self.query(text, false).await?,
            Statement::InsertValues { target, .. } => {
                self.definition(text).await?;
                self.say(&format!("1 row inserted into {}", target.name));
            }
            _ => self.definition(text).await?,
        }
        Ok(())
    }

    /// The server knows which properties there are.
    async fn check_property(&self, text: &str) -> Result<(), String> {
        self.client
            .statements(text, &HashMap::new())
            .await
            .map(|_| ())
            .map_err(|failure| failure.message)
    }

    async fn definition(&self, text: &str) -> Result<(), String> {
        match self.client.statements(text, &self.properties).await {
            Ok(entities) => {
                self.entities(&entities);
                Ok(())
            }
            Err(Failure { message, entities }) => {
                self.entities(&entities);
                Err(message)
            }
        }
    }

    fn entities(&self, entities: &[Json]) {
        for node in entities {
            put(&entity(node, self.output, self.terminal));
        }
    }

    /// A query until it ends, or until Ctrl-C.
    async fn query(&self, text: &str, bounded: bool) -> Result<(), String> {
        let started = self.client.query(text, &self.properties);
        let mut lines = tokio::select! {
            started = started => started.map_err(|failure| failure.message)?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        if lines.is_text() {
            return printed(&mut lines).await.map_err(|failure| failure.message);
        }
        let mut printer = RowPrinter::new(self.output, self.terminal, bounded);
        let mut out = io::stdout();
        let ended = tokio::select! {
            ended = printer.run(&mut lines, &mut out) => Some(ended),
            _ = tokio::signal::ctrl_c() => None,
        };
        if ended.is_none() {
            printer.finish(&mut out);
        }
        printer.remarks().iter().for_each(|remark| self.say(remark));
        match ended {
            Some(Ok(last)) => self.say(&last),
            Some(Err(failure)) => return Err(failure.message),
            None => self.say("\nQuery terminated"),
        }
        Ok(())
    }

    /// Words beside results: on a terminal only.
    fn say(&self, text: &str) {
        if self.terminal {
            put(&format!("{text}\n"));
        }
    }
}

/// Shows the lines of PRINT. A record that cannot be read is one of them; an error behind which
/// nothing comes is why PRINT ended.
async fn printed(lines: &mut Lines) -> Result<(), Failure> {
    let mut last_error = None;
    loop {
        let line = tokio::select! {
            line = lines.next() => line?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let Some(line) = line else {
            return last_error.map_or(Ok(()), |reason: String| Err(Failure::new(reason)));
        };
        if let Some(reason) = last_error.take() {
            eprintln!("{reason}");
        }
        // Lines of records begin with other words.
        match line.strip_prefix("error: ") {
            Some(reason) => last_error = Some(reason.to_owned()),
            None => put(&format!("{line}\n")),
        }
    }
}

/// Output that has no reader any more is nobody's error.
pub(super) fn put(text: &str) {
    let mut out = io::stdout();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        tracing::debug!("nobody reads the output any more");
    }
}
