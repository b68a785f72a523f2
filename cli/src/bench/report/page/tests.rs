use super::*;
use crate::bench::cells;
use crate::bench::figures::{Failure, Figure, Line};

struct Lines(Vec<Line>);

impl Lines {
    fn runs(
        &mut self,
        section: Section,
        cell: &str,
        metric: Metric,
        runs: [(System, [f64; 3]); 2],
    ) {
        for (system, values) in runs {
            for (run, value) in values.into_iter().enumerate() {
                self.0.push(Line::Figure(Figure {
                    session: "2026-01-02 03:04:05".to_owned(),
                    section,
                    cell: cell.to_owned(),
                    metric,
                    system,
                    run: run + 1,
                    value,
                }));
            }
        }
    }
}

const PRODUCE: &str = "1 KiB · none · acks all · 8 producers · 1 partition";

fn figures() -> Figures {
    let mut lines = Lines(vec![Line::Session(Session {
        began: "2026-01-02 03:04:05".to_owned(),
        commit: "0123abc".to_owned(),
        command: "yeoul bench compare --data=/srv/x/data".to_owned(),
        cpu: "Some CPU".to_owned(),
        cores: 2,
        memory_bytes: 24_000_000_000,
        kernel: "6.1.0".to_owned(),
    })]);
    let pair = |yeoul, kafka| [(System::Yeoul, yeoul), (System::Kafka, kafka)];
    let throughput = pair([900.0, 1000.0, 1100.0], [300.0, 400.0, 500.0]);
    lines.runs(Section::Produce, PRODUCE, Metric::Throughput, throughput);
    let cpu = pair([0.9, 0.9, 0.9], [1.8, 1.8, 1.8]);
    lines.runs(Section::Produce, PRODUCE, Metric::CpuPerGigabyte, cpu);
    lines.runs(Section::Produce, PRODUCE, Metric::P99, pair([1.0; 3], [4.0; 3]));
    lines.runs(Section::Memory, cells::IDLE, Metric::Resident, pair([20.0; 3], [400.0; 3]));
    lines.runs(Section::Memory, cells::IDLE, Metric::Peak, pair([21.0; 3], [420.0; 3]));
    lines.0.push(Line::Failure(Failure {
        session: "2026-01-02 03:04:05".to_owned(),
        section: Section::Partitions,
        cell: cells::TEN_THOUSAND.to_owned(),
        system: System::Kafka,
        run: 1,
        reason: "a | b\nc".to_owned(),
    }));
    Figures::from_lines(lines.0)
}

#[test]
fn the_page_says_what_was_measured() {
    let page = page(&figures());
    let expected = include_str!("expected.md");
    let body = page.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix(TAIL));
    assert_eq!(body, Some(expected), "{page}");
}

#[test]
fn each_row_has_the_columns_of_its_head() {
    let page = page(&figures());
    let mut columns = None;
    for line in page.lines() {
        let count = line.starts_with('|').then(|| line.matches('|').count());
        assert!(columns.is_none() || count.is_none() || columns == count, "{line}");
        columns = count;
    }
}

#[test]
fn no_folder_of_a_machine_is_named() {
    let texts = [
        "yeoul bench compare --peers /srv/x/shared/peers --docs=docs ../peers --data /data",
        "log.dirs=/tmp/a/b at /tmp/c/d.log: 3 records/s",
    ];
    let expected = [
        "yeoul bench compare --peers …/peers --docs=docs ../peers --data …/data",
        "log.dirs=…/b at …/d.log: 3 records/s",
    ];
    assert_eq!(texts.map(placeless), expected);
}
