//! The text of the report, in Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::ValueEnum as _;
use regex::Regex;

use super::aims::{self, Outcome};
use super::number;
use crate::bench::figures::{Cell, Figures, Metric, Section, Session, System};

/// The whole page.
pub(super) fn page(figures: &Figures) -> String {
    let mut page = String::from(HEAD);
    sessions(&mut page, &figures.sessions);
    page.push_str("\n![Yeoul beside Kafka](performance.svg)\n");
    summary(&mut page, figures);
    for section in Section::value_variants() {
        if figures.of(*section).next().is_some() {
            self::section(&mut page, figures, *section);
        }
    }
    failures(&mut page, figures);
    page.push_str(TAIL);
    page
}

const HEAD: &str = "\
# How fast it is, beside Apache Kafka

Written by `yeoul bench` from what it measured; `make bench` measures it all again. Each \
figure is the median of its runs, in which the two systems took turns on the same machine, \
with the same load client, the same settings and one broker each; ± is the distance between \
the least and the greatest run as a share of the median, and × is Yeoul by Kafka.

";

const TAIL: &str = "
## How it was measured

- The load client is Yeoul's own (`cli/src/bench/load`): it speaks Kafka's protocol on bare \
sockets, has one thread and sends batches that were built beforehand, so that it costs little \
on a machine that it shares with the broker. `client cores` tells what it took; where it was \
busy all the time, the broker might have done more.
- Producing: `batch.size` of 16 KiB as Kafka's producer has it, 5 requests in flight, a \
request of at most 1 MiB with one batch for each partition, idempotent with acks=all. MB/s and \
GB count batches as they are on the wire; with lz4 the records in them are larger. Values are \
text like JSON events.
- Before each run as much free memory as it takes is touched and given back, for both systems \
and the floor alike. A hypervisor may take back what its guest has free; a run then pays for \
getting it again, many times what it pays otherwise, and by chance more or less of it.
- Consuming: a fetch session a consumer with the limits of Kafka's consumer (50 MiB, 1 MiB a \
partition, 500 ms). Cold: the log files were synced and their pages given up with \
`posix_fadvise(DONTNEED)` before each run.
- Latency: records are due at fixed times, whatever became of those before them, and are timed \
from then until they are read; a record that could not be sent in time has waited all the \
while. 6 partitions, 2 producers, 2 consumers, acks=all, idempotent.
- fsync: topics with `flush.messages=1`, 12 partitions, records of 1 KiB, one batch a request; \
the latency is that from request to answer.
- Ready: from starting the process until it answers ApiVersions and Metadata with a leader for \
each partition.
- Kafka runs as its own scripts start it (G1, 1 GiB of heap unless `KAFKA_HEAP` says \
otherwise) and is under load for a while before anything counts. Beyond the defaults both have \
`log.segment.delete.delay.ms=0`, so that what is removed is not written to disk later.
- Broker CPU is user and system time of the broker's process, from `/proc`.
- The floor is a C program without any protocol, run in the same session: bytes from a \
loopback socket, their CRC-32C, into a file; and a file to a socket by sendfile.
- What bounds the figures whose aim is not met: [where the broker's time goes]\
(broker.md#where-the-time-goes).
";

fn sessions(page: &mut String, sessions: &[Session]) {
    let machines: BTreeSet<String> = sessions
        .iter()
        .map(|session| {
            format!(
                "{}, {} cores, {:.0} GB of memory, Linux {}",
                session.cpu,
                session.cores,
                session.memory_bytes as f64 / 1e9,
                session.kernel
            )
        })
        .collect();
    for machine in machines {
        line(page, format_args!("- Machine: {machine}"));
    }
    for session in sessions {
        line(
            page,
            format_args!(
                "- {}, commit {}: `{}`",
                session.began,
                session.commit,
                placeless(&session.command)
            ),
        );
    }
}

/// How many aims are met, and which are not.
fn summary(page: &mut String, figures: &Figures) {
    let (mut met, mut bound) = (0, 0);
    let mut missed = Vec::new();
    for cell in &figures.cells {
        for metric in cell.metrics.keys() {
            match aims::judge(figures, cell, *metric) {
                Some(Outcome::Met) => met += 1,
                Some(Outcome::ClientBound) => bound += 1,
                Some(Outcome::Missed(aim)) => missed.push((cell, *metric, aim)),
                None => {}
            }
        }
    }
    page.push_str("\n## The aims\n\n");
    line(
        page,
        format_args!(
            "{met} met, {} not met, {bound} where the load client was the limit.",
            missed.len()
        ),
    );
    if missed.is_empty() {
        return;
    }
    page.push_str("\n| not met | Yeoul | Kafka | aim |\n|---|--:|--:|--:|\n");
    for (cell, metric, aim) in missed {
        let value = |system| cell.median(metric, system).map_or_else(String::new, number);
        line(
            page,
            format_args!(
                "| {}: {}, {} | {} | {} | {aim} |",
                title(cell.section),
                cell.name,
                metric.title(),
                value(System::Yeoul),
                value(System::Kafka)
            ),
        );
    }
}

fn title(section: Section) -> &'static str {
    match section {
        Section::Floor => "The floor",
        Section::Produce => "Producing",
        Section::Consume => "Consuming",
        Section::Latency => "Latency",
        Section::Fsync => "On disk before the answer",
        Section::Memory => "Memory",
        Section::Start => "Start",
        Section::Partitions => "Ten thousand partitions",
    }
}

/// The metrics of a section that are shown of both systems; others of Yeoul alone follow.
fn columns(section: Section) -> (&'static [Metric], &'static [Metric]) {
    use Metric::*;
    match section {
        Section::Floor => (&[CpuPerGigabyte], &[]),
        Section::Produce => (&[Throughput, CpuPerGigabyte, P99], &[Records, ClientCores]),
        Section::Consume => (&[Throughput, CpuPerGigabyte], &[Records, ClientCores]),
        Section::Latency => (&[P50, P99, P999, BrokerCores], &[]),
        Section::Fsync => (&[Records, P50, P99], &[]),
        Section::Memory => (&[Resident, Peak], &[]),
        Section::Start => (&[Ready], &[]),
        Section::Partitions => (&[Create, Resident, Ready], &[]),
    }
}

fn section(page: &mut String, figures: &Figures, section: Section) {
    line(page, format_args!("\n## {}\n", title(section)));
    let words = aims::words(section);
    if !words.is_empty() {
        line(page, format_args!("{words}\n"));
    }
    if section == Section::Floor {
        return floor(page, figures);
    }
    let (compared, alone) = columns(section);
    if matches!(section, Section::Partitions | Section::Start | Section::Memory) {
        return tall(page, figures, section, compared);
    }
    page.push_str("| |");
    for metric in compared {
        let aim = if aims::exist(section, *metric) { " aim |" } else { "" };
        let _ = write!(page, " {}: Yeoul | Kafka | × |{aim}", metric.title());
    }
    for metric in alone {
        let _ = write!(page, " {} |", metric.title());
    }
    page.push_str("\n|---|");
    for metric in compared {
        page.push_str("--:|--:|--:|");
        page.push_str(if aims::exist(section, *metric) { "---|" } else { "" });
    }
    page.push_str(&"--:|".repeat(alone.len()));
    page.push('\n');
    for cell in figures.of(section) {
        let _ = write!(page, "| {} |", name(cell));
        for metric in compared {
            let _ = write!(page, " {} |", comparison(figures, cell, *metric));
        }
        for metric in alone {
            let value = cell.median(*metric, System::Yeoul).map_or_else(String::new, number);
            let _ = write!(page, " {value} |");
        }
        page.push('\n');
    }
}

/// One line for each metric of each cell.
fn tall(page: &mut String, figures: &Figures, section: Section, metrics: &[Metric]) {
    let has_aim = metrics.iter().any(|metric| aims::exist(section, *metric));
    let aim = if has_aim { (" aim |", "---|") } else { ("", "") };
    line(page, format_args!("| | Yeoul | Kafka | × |{}\n|---|--:|--:|--:|{}", aim.0, aim.1));
    for cell in figures.of(section) {
        for metric in metrics.iter().filter(|metric| cell.metrics.contains_key(metric)) {
            let mut values = comparison(figures, cell, *metric);
            if has_aim && !aims::exist(section, *metric) {
                values.push_str(" |");
            }
            line(page, format_args!("| {}: {} | {values} |", name(cell), metric.title()));
        }
    }
}

fn floor(page: &mut String, figures: &Figures) {
    page.push_str("| without any broker | CPU s/GB |\n|---|--:|\n");
    for cell in figures.of(Section::Floor) {
        let value = shown(cell, Metric::CpuPerGigabyte, System::Floor);
        line(page, format_args!("| {} | {value} |", cell.name));
    }
}

/// The cell's name, with the number of runs where there are fewer than three.
fn name(cell: &Cell) -> String {
    match cell.runs() {
        0..=2 => format!("{} (runs: {})", cell.name, cell.runs()),
        _ => cell.name.clone(),
    }
}

/// Both values, their ratio and what came of the aim.
fn comparison(figures: &Figures, cell: &Cell, metric: Metric) -> String {
    let ratio = cell.ratio(metric).map_or_else(String::new, ratio);
    let (yeoul, kafka) = (shown(cell, metric, System::Yeoul), shown(cell, metric, System::Kafka));
    if !aims::exist(cell.section, metric) {
        return format!("{yeoul} | {kafka} | {ratio}");
    }
    let outcome = aims::judge(figures, cell, metric).map_or_else(String::new, |o| o.text());
    format!("{yeoul} | {kafka} | {ratio} | {outcome}")
}

/// With two digits that count, also of a small one.
fn ratio(value: f64) -> String {
    match value {
        small if small < 0.01 => format!("{value:.4}"),
        small if small < 0.1 => format!("{value:.3}"),
        _ => format!("{value:.2}"),
    }
}

fn shown(cell: &Cell, metric: Metric, system: System) -> String {
    let Some(median) = cell.median(metric, system) else { return String::new() };
    match cell.spread(metric, system) {
        Some(spread) if cell.runs() > 1 => format!("{} ±{:.0}%", number(median), spread * 100.0),
        _ => number(median),
    }
}

fn failures(page: &mut String, figures: &Figures) {
    if figures.failures.is_empty() {
        return;
    }
    page.push_str(
        "\n## Runs that came to nothing\n\n| | system | run | why |\n|---|---|--:|---|\n",
    );
    for failure in &figures.failures {
        line(
            page,
            format_args!(
                "| {}: {} | {} | {} | {} |",
                title(failure.section),
                failure.cell,
                failure.system,
                failure.run,
                placeless(&failure.reason).replace('|', "¦").replace('\n', " ")
            ),
        );
    }
}

/// Without the folders of absolute paths: where a checkout lies is nobody's business.
fn placeless(text: &str) -> String {
    let path = Regex::new(r#"(^|[\s="'(\[:,])/(?:[^\s/]+/)*([^\s/])"#).expect("a sound pattern");
    path.replace_all(text, "$1…/$2").into_owned()
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = page.write_fmt(text);
    page.push('\n');
}

#[cfg(test)]
mod tests;
