//! What is wanted of Yeoul beside Kafka, and whether a cell shows it.

use crate::bench::cells;
use crate::bench::figures::{Cell, Figures, Metric, Section, System};

/// A share of a core from which on the load client, which has one thread, is the limit.
const CLIENT_BUSY: f64 = 0.9;

/// What came of an aim.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Met,
    /// With what it should be.
    Missed(String),
    /// The load client was busy all the time: the broker might have done more.
    ClientBound,
}

impl Outcome {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Met => "met".to_owned(),
            Self::Missed(aim) => format!("**not met**: {aim}"),
            Self::ClientBound => "client-bound".to_owned(),
        }
    }
}

/// An aim in words, for the head of a section.
pub(super) fn words(section: Section) -> &'static str {
    match section {
        Section::Floor => "",
        Section::Produce => {
            "Aims: throughput at least double Kafka's wherever the client is not the limit; broker \
             CPU a gigabyte at most a third of Kafka's or 1.5 times the floor, whichever is more."
        }
        Section::Consume => {
            "Aims: as for producing, but the disk decides how fast what is cold is read; the floor is \
             that of a file sent by sendfile."
        }
        Section::Latency => {
            "Aims: at 100,000 and 250,000 records/s with linger 5 ms p99 below 10 ms and p99.9 \
             below 20 ms; with one record a request at 5,000/s p99 below 3 ms and less than a \
             tenth of a core."
        }
        Section::Fsync => "No aim but to be ahead: the disk decides.",
        Section::Memory => "Aim: idle at most a fifteenth of Kafka's, and below 25 MB.",
        Section::Start => "Aim: without topics at most a twentieth of Kafka's, and below 150 ms.",
        Section::Partitions => "No aim but that it works.",
    }
}

/// Whether anything is wanted of a metric in some cell of a section.
pub(super) fn exist(section: Section, metric: Metric) -> bool {
    matches!(
        (section, metric),
        (Section::Produce | Section::Consume, Metric::Throughput | Metric::CpuPerGigabyte)
            | (Section::Latency, Metric::P99 | Metric::P999 | Metric::BrokerCores)
            | (Section::Memory, Metric::Resident)
            | (Section::Start, Metric::Ready)
    )
}

/// Whether a metric of a cell is as wanted; `None` if nothing is wanted of it, or if what it is
/// compared with was not measured.
pub(super) fn judge(figures: &Figures, cell: &Cell, metric: Metric) -> Option<Outcome> {
    match (cell.section, metric) {
        (Section::Consume, Metric::Throughput) if cell.name.ends_with(cells::COLD) => None,
        (Section::Produce | Section::Consume, Metric::Throughput) => throughput(cell),
        (Section::Produce, Metric::CpuPerGigabyte) => cpu(figures, cell, cells::FLOOR_PRODUCE),
        (Section::Consume, Metric::CpuPerGigabyte) => cpu(figures, cell, cells::FLOOR_CONSUME),
        (Section::Latency, _) => latency(cell, metric),
        (Section::Memory, Metric::Resident) if cell.name == cells::IDLE => {
            both(cell, metric, 25.0, 15.0, "MB")
        }
        (Section::Start, Metric::Ready) if cell.name == cells::START_EMPTY => {
            both(cell, metric, 150.0, 20.0, "ms")
        }
        _ => None,
    }
}

fn throughput(cell: &Cell) -> Option<Outcome> {
    let ratio = cell.ratio(Metric::Throughput)?;
    let client = cell.median(Metric::ClientCores, System::Yeoul).unwrap_or(0.0);
    Some(match ratio {
        double if double >= 2.0 => Outcome::Met,
        _ if client >= CLIENT_BUSY => Outcome::ClientBound,
        _ => Outcome::Missed("2.00×".to_owned()),
    })
}

fn cpu(figures: &Figures, cell: &Cell, floor: &str) -> Option<Outcome> {
    let kafka = cell.median(Metric::CpuPerGigabyte, System::Kafka)?;
    let yeoul = cell.median(Metric::CpuPerGigabyte, System::Yeoul)?;
    let floor = figures.cell(Section::Floor, floor);
    let floor = floor.and_then(|cell| cell.median(Metric::CpuPerGigabyte, System::Floor));
    let most = (kafka / 3.0).max(1.5 * floor.unwrap_or(0.0));
    Some(at_most(yeoul, most, "s/GB"))
}

fn latency(cell: &Cell, metric: Metric) -> Option<Outcome> {
    let rate = |rate: f64, is_single: bool| {
        cells::LATENCY
            .iter()
            .any(|c| c.rate == rate && c.is_single == is_single && c.name() == cell.name)
    };
    let most = match metric {
        Metric::P99 if rate(100_000.0, false) || rate(250_000.0, false) => 10.0,
        Metric::P999 if rate(100_000.0, false) || rate(250_000.0, false) => 20.0,
        Metric::P99 if rate(5_000.0, true) => 3.0,
        Metric::BrokerCores if rate(5_000.0, true) => 0.1,
        _ => return None,
    };
    let unit = if metric == Metric::BrokerCores { "cores" } else { "ms" };
    Some(at_most(cell.median(metric, System::Yeoul)?, most, unit))
}

/// At most so much, and at most a share of Kafka's.
fn both(cell: &Cell, metric: Metric, most: f64, share: f64, unit: &str) -> Option<Outcome> {
    let yeoul = cell.median(metric, System::Yeoul)?;
    let kafka = cell.median(metric, System::Kafka)?;
    Some(at_most(yeoul, most.min(kafka / share), unit))
}

fn at_most(value: f64, most: f64, unit: &str) -> Outcome {
    if value <= most {
        Outcome::Met
    } else {
        Outcome::Missed(format!("{} {unit}", super::number(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::{Figure, Line};

    type Value = (Section, &'static str, Metric, System, f64);

    fn outcome(values: &[Value]) -> Option<Outcome> {
        let lines = values.iter().map(|(section, cell, metric, system, value)| {
            Line::Figure(Figure {
                session: "s".to_owned(),
                section: *section,
                cell: (*cell).to_owned(),
                metric: *metric,
                system: *system,
                run: 1,
                value: *value,
            })
        });
        let figures = Figures::from_lines(lines);
        let (section, cell, metric, ..) = values[0];
        judge(&figures, figures.cell(section, cell).expect("it is there"), metric)
    }

    #[test]
    fn throughput_is_double_unless_the_client_is_the_limit() {
        let cell = |yeoul, client| {
            outcome(&[
                (Section::Produce, "a", Metric::Throughput, System::Yeoul, yeoul),
                (Section::Produce, "a", Metric::Throughput, System::Kafka, 100.0),
                (Section::Produce, "a", Metric::ClientCores, System::Yeoul, client),
            ])
        };
        assert_eq!(cell(200.0, 0.5), Some(Outcome::Met));
        assert_eq!(cell(199.0, 0.5), Some(Outcome::Missed("2.00×".to_owned())));
        assert_eq!(cell(199.0, 0.95), Some(Outcome::ClientBound));
        let alone = outcome(&[(Section::Produce, "a", Metric::Throughput, System::Yeoul, 1.0)]);
        assert_eq!(alone, None);
    }

    #[test]
    fn what_is_cold_is_as_fast_as_the_disk() {
        let cell = |name| {
            outcome(&[
                (Section::Consume, name, Metric::Throughput, System::Yeoul, 110.0),
                (Section::Consume, name, Metric::Throughput, System::Kafka, 100.0),
            ])
        };
        assert_eq!(cell("1 KiB · cold"), None);
        assert_eq!(cell("1 KiB · page cache"), Some(Outcome::Missed("2.00×".to_owned())));
    }

    #[test]
    fn processor_time_is_held_against_kafka_and_the_floor() {
        let cell = |yeoul, floor| {
            outcome(&[
                (Section::Produce, "a", Metric::CpuPerGigabyte, System::Yeoul, yeoul),
                (Section::Produce, "a", Metric::CpuPerGigabyte, System::Kafka, 1.5),
                (
                    Section::Floor,
                    cells::FLOOR_PRODUCE,
                    Metric::CpuPerGigabyte,
                    System::Floor,
                    floor,
                ),
            ])
        };
        assert_eq!(cell(0.5, 0.1), Some(Outcome::Met));
        assert_eq!(cell(0.6, 0.1), Some(Outcome::Missed("0.50 s/GB".to_owned())));
        assert_eq!(cell(0.6, 0.4), Some(Outcome::Met));
    }

    #[test]
    fn some_latencies_and_shares_of_a_core_are_limited() {
        let name = "5,000 records/s · 100 B · one record a request";
        let cell =
            |metric, value| outcome(&[(Section::Latency, name, metric, System::Yeoul, value)]);
        assert_eq!(cell(Metric::P99, 2.9), Some(Outcome::Met));
        assert_eq!(cell(Metric::P99, 3.1), Some(Outcome::Missed("3.00 ms".to_owned())));
        assert_eq!(cell(Metric::BrokerCores, 0.2), Some(Outcome::Missed("0.10 cores".to_owned())));
        assert_eq!(cell(Metric::P50, 100.0), None);
    }

    #[test]
    fn memory_and_start_have_a_limit_and_a_share() {
        let cell = |yeoul, kafka| {
            outcome(&[
                (Section::Memory, cells::IDLE, Metric::Resident, System::Yeoul, yeoul),
                (Section::Memory, cells::IDLE, Metric::Resident, System::Kafka, kafka),
            ])
        };
        assert_eq!(cell(20.0, 400.0), Some(Outcome::Met));
        assert_eq!(cell(24.0, 300.0), Some(Outcome::Missed("20.0 MB".to_owned())));
        assert_eq!(cell(26.0, 900.0), Some(Outcome::Missed("25.0 MB".to_owned())));
    }
}
