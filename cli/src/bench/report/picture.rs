//! The picture of the report: for each of some figures two bars, Yeoul's and Kafka's, the longer
//! one over the whole width. It has no background, and colours that are seen on any.

use std::fmt::Write as _;

use super::number;
use crate::bench::figures::{Figures, Metric, Section, System};

/// A figure that the picture shows.
struct Shown {
    section: Section,
    cell: &'static str,
    metric: Metric,
    title: &'static str,
    unit: &'static str,
    is_more_better: bool,
}

const SHOWN: &[Shown] = &[
    Shown {
        section: Section::Produce,
        cell: "1 KiB · none · acks all · 8 producers · 1 partition",
        metric: Metric::Throughput,
        title: "Written: 1 KiB, acks=all, 8 producers, 1 partition",
        unit: "MB/s",
        is_more_better: true,
    },
    Shown {
        section: Section::Produce,
        cell: "1 KiB · none · acks all · 8 producers · 1 partition",
        metric: Metric::CpuPerGigabyte,
        title: "Broker CPU for a GB of it",
        unit: "s",
        is_more_better: false,
    },
    Shown {
        section: Section::Produce,
        cell: "100 B · lz4 · acks all · 50 producers · 100 partitions",
        metric: Metric::Throughput,
        title: "Written: 100 B, lz4, 50 producers, 100 partitions",
        unit: "MB/s",
        is_more_better: true,
    },
    Shown {
        section: Section::Consume,
        cell: "1 KiB · none · 8 consumers · 100 partitions · page cache",
        metric: Metric::Throughput,
        title: "Read: 8 consumers, 100 partitions",
        unit: "MB/s",
        is_more_better: true,
    },
    Shown {
        section: Section::Consume,
        cell: "1 KiB · none · 8 consumers · 100 partitions · page cache",
        metric: Metric::CpuPerGigabyte,
        title: "Broker CPU for a GB of it",
        unit: "s",
        is_more_better: false,
    },
    Shown {
        section: Section::Latency,
        cell: "100,000 records/s · 100 B · linger 5 ms",
        metric: Metric::P99,
        title: "p99 from due to read, 100,000 records/s, linger 5 ms",
        unit: "ms",
        is_more_better: false,
    },
    Shown {
        section: Section::Latency,
        cell: "250,000 records/s · 100 B · linger 5 ms",
        metric: Metric::P99,
        title: "p99 from due to read, 250,000 records/s, linger 5 ms",
        unit: "ms",
        is_more_better: false,
    },
    Shown {
        section: Section::Latency,
        cell: "5,000 records/s · 100 B · one record a request",
        metric: Metric::P99,
        title: "p99 from due to read, 5,000 requests/s of one record",
        unit: "ms",
        is_more_better: false,
    },
    Shown {
        section: Section::Fsync,
        cell: "50 producers · one record in flight each",
        metric: Metric::Records,
        title: "On disk before the answer: 50 producers, one record each",
        unit: "records/s",
        is_more_better: true,
    },
    Shown {
        section: Section::Memory,
        cell: crate::bench::cells::IDLE,
        metric: Metric::Resident,
        title: "Resident memory, idle",
        unit: "MB",
        is_more_better: false,
    },
    Shown {
        section: Section::Start,
        cell: crate::bench::cells::START_EMPTY,
        metric: Metric::Ready,
        title: "Start, no topics",
        unit: "ms",
        is_more_better: false,
    },
    Shown {
        section: Section::Start,
        cell: crate::bench::cells::START_CLEAN,
        metric: Metric::Ready,
        title: "Start, 2,000 partitions",
        unit: "ms",
        is_more_better: false,
    },
];

const WIDTH: f64 = 760.0;
const LEFT: f64 = 60.0;
const BARS: f64 = 560.0;
const ROW: f64 = 58.0;
const HEAD: f64 = 34.0;
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#57606a}\
.t{font-weight:600}.k{fill:#8b949e}.y{fill:#0b7fab}\
@media(prefers-color-scheme:dark){text{fill:#c9d1d9}.y{fill:#3fb0dd}}";

/// The whole picture; figures that were not measured of both are left out.
pub(super) fn picture(figures: &Figures) -> String {
    let rows: Vec<(&Shown, f64, f64)> = SHOWN
        .iter()
        .filter_map(|shown| {
            let cell = figures.cell(shown.section, shown.cell)?;
            let yeoul = cell.median(shown.metric, System::Yeoul)?;
            Some((shown, yeoul, cell.median(shown.metric, System::Kafka)?))
        })
        .collect();
    let height = HEAD + ROW * rows.len() as f64 + 6.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=\"img\">\n\
         <title>Yeoul beside Apache Kafka 4.3.1</title>\n<style>{STYLE}</style>\n\
         <rect class=\"y\" x=\"{LEFT:.0}\" y=\"8\" width=\"12\" height=\"12\"/>\
         <text x=\"78\" y=\"19\">Yeoul</text>\
         <rect class=\"k\" x=\"130\" y=\"8\" width=\"12\" height=\"12\"/>\
         <text x=\"148\" y=\"19\">Apache Kafka 4.3.1</text>\n"
    );
    for (index, (shown, yeoul, kafka)) in rows.iter().enumerate() {
        row(&mut svg, HEAD + ROW * index as f64, shown, *yeoul, *kafka);
    }
    svg.push_str("</svg>\n");
    svg
}

fn row(svg: &mut String, top: f64, shown: &Shown, yeoul: f64, kafka: f64) {
    let better = if shown.is_more_better { "more is better" } else { "less is better" };
    // Writing to a String cannot fail.
    let _ = writeln!(
        svg,
        "<text class=\"t\" x=\"{LEFT:.0}\" y=\"{:.0}\">{} <tspan font-weight=\"400\">({better})\
         </tspan></text>",
        top + 14.0,
        shown.title
    );
    let most = yeoul.max(kafka).max(f64::MIN_POSITIVE);
    for (class, value, offset) in [("y", yeoul, 20.0), ("k", kafka, 36.0)] {
        let length = (value / most * BARS).max(1.0);
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{LEFT:.0}\" y=\"{:.0}\" width=\"{length:.1}\" \
             height=\"13\"/><text x=\"{:.1}\" y=\"{:.0}\">{} {}</text>",
            top + offset,
            LEFT + length + 6.0,
            top + offset + 11.0,
            number(value),
            shown.unit
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::{Figure, Line};

    fn figures() -> Figures {
        let figure = |system, value| {
            Line::Figure(Figure {
                session: "s".to_owned(),
                section: Section::Memory,
                cell: crate::bench::cells::IDLE.to_owned(),
                metric: Metric::Resident,
                system,
                run: 1,
                value,
            })
        };
        Figures::from_lines([figure(System::Yeoul, 20.0), figure(System::Kafka, 400.0)])
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let svg = picture(&figures());
        let rows: Vec<&str> = svg.lines().skip(4).collect();
        let expected = [
            "<text class=\"t\" x=\"60\" y=\"48\">Resident memory, idle \
             <tspan font-weight=\"400\">(less is better)</tspan></text>",
            "<rect class=\"y\" x=\"60\" y=\"54\" width=\"28.0\" height=\"13\"/>\
             <text x=\"94.0\" y=\"65\">20.0 MB</text>",
            "<rect class=\"k\" x=\"60\" y=\"70\" width=\"560.0\" height=\"13\"/>\
             <text x=\"626.0\" y=\"81\">400 MB</text>",
            "</svg>",
        ];
        assert_eq!(rows, expected);
        assert_eq!(svg, picture(&figures()), "the same figures make the same picture");
    }

    #[test]
    fn each_figure_that_is_shown_has_a_cell_that_is_measured() {
        let latency = crate::bench::cells::LATENCY.iter().map(|cell| cell.name());
        let fsync = crate::bench::cells::FSYNC.iter().map(|cell| cell.name());
        let named: Vec<String> = latency.chain(fsync).collect();
        for shown in SHOWN {
            if matches!(shown.section, Section::Latency | Section::Fsync) {
                assert!(named.iter().any(|name| name == shown.cell), "{}", shown.cell);
            }
        }
    }
}
