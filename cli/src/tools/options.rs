//! The options of Kafka's tools: `--name value`, `--name=value`, repeated options, options whose
//! argument may be left out, and the words that Kafka's parser uses for what is wrong with them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing: it is there or not.
    Nothing,
    /// One argument each time it is given.
    Value,
    /// An argument, or none when another option or the end follows.
    MaybeValue,
}

/// One option of a tool.
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    /// One or two sentences for the usage page.
    pub(crate) help: &'static str,
}

/// An option that is there or not.
pub(crate) const fn flag(name: &'static str, help: &'static str) -> Opt {
    Opt { name, takes: Takes::Nothing, help }
}

/// An option with an argument.
pub(crate) const fn value(name: &'static str, help: &'static str) -> Opt {
    Opt { name, takes: Takes::Value, help }
}

/// An option whose argument may be left out.
pub(crate) const fn maybe_value(name: &'static str, help: &'static str) -> Opt {
    Opt { name, takes: Takes::MaybeValue, help }
}

/// The options of a tool and what it is for.
pub(crate) struct Spec {
    /// The tool's name, without `.sh`.
    pub(crate) tool: &'static str,
    pub(crate) about: &'static str,
    pub(crate) options: &'static [Opt],
}

/// The arguments of one call, by option. Arguments without an option are kept apart, as typed.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    given: BTreeMap<&'static str, Vec<String>>,
    pub(crate) rest: Vec<String>,
}

/// Something is wrong with the arguments: one sentence. The tool's usage page belongs below it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UsageError(pub(crate) String);

impl fmt::Display for UsageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Spec {
    /// Takes the arguments apart.
    ///
    /// # Errors
    /// An option that the tool does not have, an argument that is missing, or one where none goes.
    pub(crate) fn parse(&self, arguments: &[String]) -> Result<Parsed, UsageError> {
        let mut parsed = Parsed::default();
        let mut left = arguments.iter().peekable();
        while let Some(argument) = left.next() {
            if argument == "--" {
                parsed.rest.extend(left.cloned());
                break;
            }
            let Some(text) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'))
            else {
                parsed.rest.push(argument.clone());
                continue;
            };
            if text.is_empty() {
                parsed.rest.push(argument.clone());
                continue;
            }
            let (name, attached) = match text.split_once('=') {
                Some((name, attached)) => (name, Some(attached.to_owned())),
                None => (text, None),
            };
            let Some(option) = self.options.iter().find(|option| option.name == name) else {
                return Err(UsageError(format!("{name} is not a recognized option")));
            };
            let values = parsed.given.entry(option.name).or_default();
            match (option.takes, attached) {
                (Takes::Nothing, None) => {}
                (Takes::Nothing, Some(_)) => {
                    return Err(UsageError(format!("Option {name} takes no argument")));
                }
                (_, Some(attached)) => values.push(attached),
                (Takes::Value, None) => match left.next() {
                    Some(next) => values.push(next.clone()),
                    None => return Err(UsageError(format!("Option {name} requires an argument"))),
                },
                (Takes::MaybeValue, None) => {
                    values.extend(left.next_if(|next| !next.starts_with('-')).cloned());
                }
            }
        }
        Ok(parsed)
    }

    /// The usage page: the options in order of their names.
    pub(crate) fn usage(&self) -> String {
        let mut page = format!("{}\n", self.about);
        let width = self.options.iter().map(|option| label(option).len()).max().unwrap_or_default();
        page.push_str(&format!("{:<width$}  Description\n", "Option"));
        page.push_str(&format!("{:<width$}  -----------\n", "------"));
        let mut options: Vec<&Opt> = self.options.iter().collect();
        options.sort_by_key(|option| option.name);
        for option in options {
            page.push_str(&format!("{:<width$}  {}\n", label(option), option.help));
        }
        page
    }
}

fn label(option: &Opt) -> String {
    match option.takes {
        Takes::Nothing => format!("--{}", option.name),
        Takes::Value => format!("--{} <value>", option.name),
        Takes::MaybeValue => format!("--{} [value]", option.name),
    }
}

impl Parsed {
    /// Whether the option was given, with or without an argument.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The last argument given to the option.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).and_then(|values| values.last()).map(String::as_str)
    }

    /// All arguments given to the option, in order.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.given.get(name).map_or(&[], Vec::as_slice)
    }

    /// The option's argument as a number or another type.
    ///
    /// # Errors
    /// The argument is not one.
    pub(crate) fn parse<T: FromStr>(&self, name: &str) -> Result<Option<T>, UsageError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let parsed = text.parse();
        parsed
            .map(Some)
            .map_err(|_| UsageError(format!("Cannot parse argument '{text}' of option {name}")))
    }

    /// # Errors
    /// Names the first of the options that is missing.
    pub(crate) fn require(&self, names: &[&str]) -> Result<(), UsageError> {
        match names.iter().find(|name| !self.has(name)) {
            Some(name) => Err(UsageError(format!("Missing required argument \"[{name}]\""))),
            None => Ok(()),
        }
    }

    /// # Errors
    /// Names the first of `others` that was given beside `name`.
    pub(crate) fn exclude(&self, name: &str, others: &[&str]) -> Result<(), UsageError> {
        if !self.has(name) {
            return Ok(());
        }
        match others.iter().find(|other| self.has(other)) {
            Some(other) => Err(UsageError(format!(
                "Option \"[{name}]\" can't be used with option \"[{other}]\""
            ))),
            None => Ok(()),
        }
    }
}

/// Kafka's version that the tools follow, and ours.
pub(crate) fn version() -> String {
    format!("4.3.1 (Yeoul {})", env!("CARGO_PKG_VERSION"))
}

/// What a tool does first: takes the arguments apart and answers `--help` and `--version`.
///
/// # Errors
/// The exit status, when the call is answered already; the text has been printed.
pub(crate) fn begin(spec: &Spec, arguments: &[String]) -> Result<Parsed, i32> {
    if arguments.iter().any(|argument| argument == "--version") {
        println!("{}", version());
        return Err(0);
    }
    if arguments.iter().any(|argument| argument == "--help") {
        eprint!("{}", spec.usage());
        return Err(1);
    }
    if let Some(line) = without_zookeeper(spec.tool, arguments) {
        eprintln!(
            "--zookeeper: there is no ZooKeeper; the tools ask a broker. Type instead:\n  {line}"
        );
        return Err(1);
    }
    spec.parse(arguments).map_err(|error| refuse(spec, &error))
}

/// The line to type instead of one with `--zookeeper HOST`, which the tools of old took.
fn without_zookeeper(tool: &str, arguments: &[String]) -> Option<String> {
    let at = arguments.iter().position(|a| a == "--zookeeper" || a.starts_with("--zookeeper="))?;
    let taken = if arguments[at].contains('=') { 1 } else { 2 };
    let mut words = vec![format!("{tool}.sh")];
    words.extend(arguments[..at].iter().map(|word| quoted(word)));
    if !arguments.iter().any(|argument| argument.starts_with("--bootstrap-server")) {
        words.push("--bootstrap-server localhost:9092".to_owned());
    }
    words.extend(arguments.iter().skip(at + taken).map(|word| quoted(word)));
    Some(words.join(" "))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Names the option to use in place of one that Kafka is about to drop.
pub(crate) fn print_deprecated(parsed: &Parsed, old: &str, new: &str) {
    if parsed.has(old) {
        println!(
            "Option --{old} is deprecated and will be removed in a future version. Use --{new} \
             instead."
        );
    }
}

/// Prints what is wrong and the usage page below it; answers the exit status.
pub(crate) fn refuse(spec: &Spec, error: &UsageError) -> i32 {
    eprintln!("{error}");
    eprint!("{}", spec.usage());
    1
}

/// The exit status of a tool that is through; what went wrong is printed by `tell`.
pub(crate) fn status(done: Result<(), String>, tell: impl FnOnce(&str)) -> i32 {
    match done {
        Ok(()) => 0,
        Err(message) => {
            tell(&message);
            1
        }
    }
}

/// Tells on standard error what went wrong, in no more words.
pub(crate) fn tell_plainly(message: &str) {
    eprintln!("{message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: Spec = Spec {
        tool: "kafka-tool",
        about: "A tool.",
        options: &[
            flag("list", "List."),
            value("topic", "The topic."),
            value("partitions", "How many."),
            maybe_value("state", "The states."),
        ],
    };

    fn parse(line: &str) -> Result<Parsed, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        SPEC.parse(&arguments).map_err(|error| error.0)
    }

    #[test]
    fn options_are_taken_apart_in_every_form() {
        let parsed =
            parse("--list --topic a --topic=b --state Empty rest -- --list").expect("parses");
        assert!(parsed.has("list"));
        assert_eq!(parsed.all("topic"), ["a", "b"]);
        assert_eq!(parsed.get("topic"), Some("b"));
        assert_eq!(parsed.get("state"), Some("Empty"));
        assert_eq!(parsed.rest, ["rest", "--list"]);
    }

    #[test]
    fn an_optional_argument_may_be_left_out() {
        let parsed = parse("--state --list").expect("parses");
        assert!(parsed.has("state") && parsed.has("list"));
        assert_eq!(parsed.get("state"), None);
    }

    #[test]
    fn a_required_argument_may_look_like_an_option() {
        assert_eq!(parse("--partitions -1").expect("parses").parse("partitions"), Ok(Some(-1)));
    }

    #[test]
    fn a_line_with_zookeeper_is_answered_with_the_line_to_type() {
        let words = ["--alter", "--zookeeper", "zk:2181/a", "--topic", "a b"].map(str::to_owned);
        assert_eq!(
            without_zookeeper("kafka-topics", &words).as_deref(),
            Some("kafka-topics.sh --alter --bootstrap-server localhost:9092 --topic 'a b'")
        );
        assert_eq!(without_zookeeper("kafka-topics", &words[..1]), None);
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_kafka() {
        assert_eq!(parse("--nope").unwrap_err(), "nope is not a recognized option");
        assert_eq!(parse("--topic").unwrap_err(), "Option topic requires an argument");
        let parsed = parse("--topic t --partitions many").expect("parses");
        assert_eq!(
            parsed.parse::<i32>("partitions"),
            Err(UsageError("Cannot parse argument 'many' of option partitions".into()))
        );
        assert_eq!(
            parsed.require(&["topic", "state"]),
            Err(UsageError("Missing required argument \"[state]\"".into()))
        );
        assert_eq!(
            parsed.exclude("topic", &["list", "partitions"]),
            Err(UsageError("Option \"[topic]\" can't be used with option \"[partitions]\"".into()))
        );
    }
}
