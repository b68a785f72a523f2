//! What was measured, as lines of JSON: a run is appended to what is there, so that sections can
//! be measured one by one, and the newest figures of a cell are the ones that count.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Who was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum System {
    Yeoul,
    Kafka,
    /// The machine without any broker.
    Floor,
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Yeoul => "Yeoul",
            Self::Kafka => "Kafka",
            Self::Floor => "floor",
        })
    }
}

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Section {
    /// What the machine needs for a gigabyte without any broker
    Floor,
    /// Write as fast as the broker answers
    Produce,
    /// Read as fast as the broker answers
    Consume,
    /// Time from due to read at fixed rates
    Latency,
    /// Writes that are on disk before the answer
    Fsync,
    /// Resident memory
    Memory,
    /// Time until it is ready
    Start,
    /// Ten thousand partitions on one broker
    Partitions,
}

impl Section {
    /// As it is named on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    /// MB (10^6) of batches a second
    Throughput,
    /// Records a second
    Records,
    /// Processor seconds of the broker for a GB (10^9) of batches
    CpuPerGigabyte,
    /// Cores that the broker kept busy
    BrokerCores,
    /// Cores that the load client kept busy
    ClientCores,
    /// Milliseconds
    P50,
    /// Milliseconds
    P99,
    /// Milliseconds
    P999,
    /// MB (10^6)
    Resident,
    /// MB (10^6)
    Peak,
    /// Milliseconds
    Ready,
    /// Milliseconds
    Create,
}

impl Metric {
    /// Its name with its unit.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Throughput => "MB/s",
            Self::Records => "records/s",
            Self::CpuPerGigabyte => "broker CPU s/GB",
            Self::BrokerCores => "broker cores",
            Self::ClientCores => "client cores",
            Self::P50 => "p50 ms",
            Self::P99 => "p99 ms",
            Self::P999 => "p99.9 ms",
            Self::Resident => "resident MB",
            Self::Peak => "peak MB",
            Self::Ready => "ready ms",
            Self::Create => "created ms",
        }
    }
}

/// Where and how a session was run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// When it began, which also tells it from others.
    pub(crate) began: String,
    pub(crate) commit: String,
    pub(crate) command: String,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
}

/// One number of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) session: String,
    pub(crate) section: Section,
    pub(crate) cell: String,
    pub(crate) metric: Metric,
    pub(crate) system: System,
    pub(crate) run: usize,
    pub(crate) value: f64,
}

/// A run that came to nothing, or a whole section, which stands as its cell then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) session: String,
    pub(crate) section: Section,
    pub(crate) cell: String,
    pub(crate) system: System,
    pub(crate) run: usize,
    pub(crate) reason: String,
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    Session(Session),
    Figure(Figure),
    Failure(Failure),
}

/// The file that a session appends to.
pub(crate) struct Results {
    file: File,
}

impl Results {
    pub(crate) fn append_to(path: &Path) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let file = File::options().create(true).append(true).open(path);
        Ok(Self { file: file.with_context(|| path.display().to_string())? })
    }

    pub(crate) fn add(&mut self, line: &Line) -> anyhow::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        Ok(self.file.write_all(text.as_bytes())?)
    }
}

/// The runs of one metric of a cell, by system.
pub(crate) type Runs = BTreeMap<System, Vec<f64>>;

/// What counts of a file: of each metric of a cell the newest session that measured it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// The sessions that something is left of, the oldest first.
    pub(crate) sessions: Vec<Session>,
    /// Cells in the order in which they were first measured.
    pub(crate) cells: Vec<Cell>,
    pub(crate) failures: Vec<Failure>,
}

/// One line of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) section: Section,
    pub(crate) name: String,
    pub(crate) metrics: BTreeMap<Metric, Runs>,
    /// The newest session of each metric, which its runs are of.
    sessions: BTreeMap<Metric, String>,
}

impl Cell {
    pub(crate) fn median(&self, metric: Metric, system: System) -> Option<f64> {
        super::statistics::median(self.metrics.get(&metric)?.get(&system)?)
    }

    /// How far the runs are apart, as a share of their median.
    pub(crate) fn spread(&self, metric: Metric, system: System) -> Option<f64> {
        super::statistics::spread(self.metrics.get(&metric)?.get(&system)?)
    }

    /// Yeoul's median by Kafka's.
    pub(crate) fn ratio(&self, metric: Metric) -> Option<f64> {
        let kafka = self.median(metric, System::Kafka).filter(|kafka| *kafka != 0.0)?;
        Some(self.median(metric, System::Yeoul)? / kafka)
    }

    /// How many runs there are of each system that was measured, at the least.
    pub(crate) fn runs(&self) -> usize {
        let systems = self.metrics.values().flat_map(BTreeMap::values);
        systems.map(Vec::len).min().unwrap_or(0)
    }
}

impl Figures {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut lines = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = serde_json::from_str(line)
                .with_context(|| format!("{}, line {}", path.display(), number + 1))?;
            lines.push(line);
        }
        Ok(Self::from_lines(lines))
    }

    pub(crate) fn from_lines(lines: impl IntoIterator<Item = Line>) -> Self {
        let mut all = Self::default();
        for line in lines {
            match line {
                Line::Session(session) => all.sessions.push(session),
                Line::Figure(figure) => all.add(figure),
                Line::Failure(failure) => all.failures.push(failure),
            }
        }
        let failures = std::mem::take(&mut all.failures);
        let count = |failure: &&Failure| {
            let is_later = |other: &Failure| {
                (other.section, &other.cell) == (failure.section, &failure.cell)
                    && other.session > failure.session
            };
            !all.is_mended(failure) && !failures.iter().any(is_later)
        };
        all.failures = failures.iter().filter(count).cloned().collect();
        let mut sessions = std::mem::take(&mut all.sessions);
        sessions.retain(|session| all.is_left_of(session));
        sessions.sort_by(|one, other| one.began.cmp(&other.began));
        all.sessions = sessions;
        all
    }

    fn add(&mut self, figure: Figure) {
        let found = self
            .cells
            .iter()
            .position(|cell| cell.section == figure.section && cell.name == figure.cell);
        let index = found.unwrap_or_else(|| {
            self.cells.push(Cell {
                section: figure.section,
                name: figure.cell.clone(),
                metrics: BTreeMap::new(),
                sessions: BTreeMap::new(),
            });
            self.cells.len() - 1
        });
        let cell = &mut self.cells[index];
        let newest = cell.sessions.entry(figure.metric).or_default();
        if figure.session < *newest {
            return;
        }
        let runs = cell.metrics.entry(figure.metric).or_default();
        if figure.session > *newest {
            runs.clear();
            *newest = figure.session;
        }
        runs.entry(figure.system).or_default().push(figure.value);
    }

    /// Whether what failed was measured later, or anything of it if the whole section failed.
    fn is_mended(&self, failure: &Failure) -> bool {
        let is_whole = failure.cell == failure.section.name();
        self.of(failure.section)
            .filter(|cell| is_whole || cell.name == failure.cell)
            .flat_map(|cell| cell.sessions.values())
            .any(|session| *session > failure.session)
    }

    /// Whether a figure or a failure of a session still counts.
    fn is_left_of(&self, session: &Session) -> bool {
        let mut figures = self.cells.iter().flat_map(|cell| cell.sessions.values());
        figures.any(|began| *began == session.began)
            || self.failures.iter().any(|failure| failure.session == session.began)
    }

    /// The cells of a section.
    /// Sections in which something was not measured for one of the systems.
    pub(crate) fn missing(&self) -> Vec<Section> {
        let all = Section::value_variants().iter().copied();
        all.filter(|&section| {
            let systems: &[System] = match section {
                Section::Floor => &[System::Floor],
                _ => &[System::Yeoul, System::Kafka],
            };
            let measured = |system| {
                self.of(section)
                    .flat_map(|cell| cell.metrics.values())
                    .any(|runs| runs.contains_key(system))
            };
            !systems.iter().all(measured)
        })
        .collect()
    }

    pub(crate) fn of(&self, section: Section) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(move |cell| cell.section == section)
    }

    pub(crate) fn cell(&self, section: Section, name: &str) -> Option<&Cell> {
        self.of(section).find(|cell| cell.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(session: &str, cell: &str, system: System, run: usize, value: f64) -> Line {
        Line::Figure(Figure {
            session: session.to_owned(),
            section: Section::Produce,
            cell: cell.to_owned(),
            metric: Metric::Throughput,
            system,
            run,
            value,
        })
    }

    fn session(began: &str) -> Line {
        Line::Session(Session { began: began.to_owned(), ..Session::default() })
    }

    #[test]
    fn the_newest_session_of_a_cell_counts() {
        let figures = Figures::from_lines([
            session("one"),
            figure("one", "a", System::Yeoul, 1, 10.0),
            figure("one", "b", System::Yeoul, 1, 5.0),
            session("two"),
            figure("two", "a", System::Yeoul, 1, 30.0),
            figure("two", "a", System::Yeoul, 2, 50.0),
            figure("two", "a", System::Yeoul, 3, 40.0),
            figure("two", "a", System::Kafka, 1, 20.0),
        ]);
        let a = figures.cell(Section::Produce, "a").expect("it was measured");
        assert_eq!(a.median(Metric::Throughput, System::Yeoul), Some(40.0));
        assert_eq!(a.spread(Metric::Throughput, System::Yeoul), Some(0.5));
        assert_eq!((a.ratio(Metric::Throughput), a.runs()), (Some(2.0), 1));
        let b = figures.cell(Section::Produce, "b").expect("it was measured");
        assert_eq!((b.ratio(Metric::Throughput), b.ratio(Metric::P99)), (None, None));
        assert_eq!(began(&figures), ["one", "two"]);
    }

    fn failure(session: &str, cell: &str) -> Line {
        Line::Failure(Failure {
            session: session.to_owned(),
            section: Section::Produce,
            cell: cell.to_owned(),
            system: System::Kafka,
            run: 1,
            reason: "no".to_owned(),
        })
    }

    fn began(figures: &Figures) -> Vec<&str> {
        figures.sessions.iter().map(|session| session.began.as_str()).collect()
    }

    #[test]
    fn each_metric_is_of_its_newest_session_whatever_the_order_of_the_lines() {
        let p99 = |session: &str, value| match figure(session, "a", System::Yeoul, 1, value) {
            Line::Figure(figure) => Line::Figure(Figure { metric: Metric::P99, ..figure }),
            other => other,
        };
        let lines = [
            session("1"),
            figure("1", "a", System::Yeoul, 1, 10.0),
            figure("1", "a", System::Kafka, 1, 20.0),
            p99("1", 1.0),
            session("2"),
            figure("2", "a", System::Yeoul, 1, 30.0),
            session("3"),
            p99("3", 3.0),
        ];
        let turned = [&lines[4..], &lines[..4]].concat();
        for lines in [lines.to_vec(), turned] {
            let figures = Figures::from_lines(lines);
            let a = figures.cell(Section::Produce, "a").expect("it was measured");
            assert_eq!(a.median(Metric::Throughput, System::Yeoul), Some(30.0));
            // Ratios are of one session: the other system's figures are gone too.
            assert_eq!(a.median(Metric::Throughput, System::Kafka), None);
            assert_eq!(a.median(Metric::P99, System::Yeoul), Some(3.0));
            assert_eq!(began(&figures), ["2", "3"]);
        }
    }

    #[test]
    fn a_session_of_which_nothing_is_left_goes_and_so_does_a_failure_that_was_mended() {
        for cell in ["a", "produce"] {
            let first = [session("1"), failure("1", cell)];
            assert_eq!(Figures::from_lines(first.clone()).failures.len(), 1);
            let then = [session("2"), figure("2", "a", System::Kafka, 1, 1.0)];
            let figures = Figures::from_lines(first.into_iter().chain(then));
            assert!(figures.failures.is_empty());
            assert_eq!(began(&figures), ["2"]);
        }
        let figures = Figures::from_lines([
            session("1"),
            failure("1", "a"),
            session("2"),
            failure("2", "a"),
            figure("2", "b", System::Kafka, 1, 1.0),
        ]);
        assert_eq!((figures.failures.len(), began(&figures)), (1, vec!["2"]));
    }

    #[test]
    fn a_section_is_missing_until_it_was_measured_for_both_systems() {
        let mut lines = vec![figure("1", "a", System::Yeoul, 1, 1.0)];
        let missing = |lines: &[Line]| Figures::from_lines(lines.to_vec()).missing();
        let all = Section::value_variants();
        assert_eq!(missing(&lines), all);
        lines.push(figure("1", "a", System::Kafka, 1, 1.0));
        let rest = all.iter().copied().filter(|section| *section != Section::Produce);
        assert_eq!(missing(&lines), rest.collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_read_back_as_they_were_written() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("below").join("results.jsonl");
        let lines = [session("one"), figure("one", "1 KiB · none", System::Kafka, 3, 0.1)];
        for line in &lines {
            let mut results = Results::append_to(&path).expect("it opens");
            results.add(line).expect("it is written");
        }
        let read = Figures::read(&path).expect("it is read");
        assert_eq!(read, Figures::from_lines(lines));
        std::fs::write(&path, "{\n").expect("it is written");
        let error = Figures::read(&path).expect_err("no JSON");
        assert!(format!("{error:#}").contains("line 1"), "{error:#}");
    }
}
