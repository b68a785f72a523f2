//! A log against the simplest thing that does the same: a list of batches.

use broker_log::{Log, OpenOptions, RetentionReason};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::*;

/// What is done to both.
#[derive(Clone, Debug)]
enum Step {
    Append {
        records: usize,
        size: usize,
    },
    Roll,
    Flush,
    /// Parts of the log's length, in 64ths.
    Replicate(i64),
    DeleteBefore(i64),
    Truncate(i64),
    StartAnew {
        ahead: i64,
    },
    Retain {
        bytes: i64,
    },
    Restart,
    Crash {
        torn: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let part = || 0..=64_i64;
    prop_oneof![
        12 => (1..6_usize, 0..200_usize).prop_map(|(records, size)| Step::Append { records, size }),
        1 => Just(Step::Roll),
        1 => Just(Step::Flush),
        3 => part().prop_map(Step::Replicate),
        1 => part().prop_map(Step::DeleteBefore),
        1 => part().prop_map(Step::Truncate),
        1 => (0..9_i64).prop_map(|ahead| Step::StartAnew { ahead }),
        1 => (0..2000_i64).prop_map(|bytes| Step::Retain { bytes }),
        1 => Just(Step::Restart),
        2 => (0..200_usize).prop_map(|torn| Step::Crash { torn }),
    ]
}

#[derive(Default)]
struct Model {
    /// First offset and values of each batch.
    batches: Vec<(i64, Vec<String>)>,
    start: i64,
    end: i64,
    high_watermark: i64,
    recovery_point: i64,
}

impl Model {
    fn part(&self, part: i64) -> i64 {
        self.start + (self.end - self.start) * part / 64
    }

    fn records(&self) -> Vec<(i64, String)> {
        let all = self.batches.iter().flat_map(|(base, values)| {
            let numbered = values.iter().enumerate();
            numbered.map(move |(at, value)| (base + at as i64, value.clone()))
        });
        all.filter(|(offset, _)| *offset >= self.start).collect()
    }

    fn cut(&mut self, offset: i64) {
        let ends = |(base, values): &(i64, Vec<String>)| base + values.len() as i64;
        let first_gone = self.batches.iter().find(|batch| ends(batch) > offset);
        let offset = first_gone.map_or(self.end, |(base, _)| *base);
        self.batches.retain(|batch| ends(batch) <= offset);
        (self.start, self.end) = (self.start.min(offset), self.end.min(offset));
        self.high_watermark = self.high_watermark.min(offset);
    }
}

/// Both, side by side.
struct Pair<'a> {
    rig: &'a Rig,
    log: Log,
    model: Model,
}

impl<'a> Pair<'a> {
    fn apply(self, step: &Step) -> Self {
        match step {
            Step::Restart => self.restart(),
            Step::Crash { torn } => self.crash(*torn),
            step => self.change(step),
        }
    }

    fn change(mut self, step: &Step) -> Self {
        let Self { log, model, .. } = &mut self;
        match *step {
            Step::Append { records, size } => {
                let value = |at: usize| format!("{}{}", model.end + at as i64, "x".repeat(size));
                let values: Vec<_> = (0..records).map(value).collect();
                let sent: Vec<_> = values.iter().map(|value| (NOW, value.as_str())).collect();
                let appended = log.append_as_leader(&batch(&sent), by_client()).unwrap();
                assert_eq!(appended.base_offset, model.end);
                model.batches.push((model.end, values));
                model.end += records as i64;
            }
            Step::Roll => drop(log.roll_if_due(i64::MAX / 2).unwrap()),
            Step::Flush => {
                log.flush(NOW).unwrap();
                model.recovery_point = model.end;
            }
            Step::Replicate(part) => {
                model.high_watermark = log.set_high_watermark(model.part(part));
            }
            Step::DeleteBefore(part) => {
                let offset = model.part(part).min(model.high_watermark);
                model.start = log.delete_records_before(offset).unwrap();
                assert_eq!(model.start, offset);
            }
            Step::Truncate(part) => {
                let offset = model.part(part);
                log.truncate_to(offset, NOW).unwrap();
                model.cut(offset);
            }
            Step::StartAnew { ahead } => {
                let offset = model.end + ahead;
                log.truncate_fully_and_start_at(offset, NOW).unwrap();
                *model = Model { start: offset, end: offset, ..Model::default() };
                model.high_watermark = offset;
            }
            Step::Retain { bytes } => retain(log, model, bytes),
            Step::Restart | Step::Crash { .. } => unreachable!("they make a new log"),
        }
        model.recovery_point = log.recovery_point();
        self
    }

    fn restart(self) -> Self {
        let closed = self.log.close().unwrap();
        assert_eq!(closed.recovery_point, self.model.end);
        Self::open(self.rig, self.model, true)
    }

    fn crash(self, torn: usize) -> Self {
        let name = format!("{:020}.log", self.log.active_base_offset());
        let mut content = self.rig.content(&name);
        let whole = batch(&[(NOW, "never acknowledged"); 9]);
        content.extend(&whole[..torn.min(whole.len() - 1)]);
        drop(self.log);
        self.rig.overwrite(&name, &content);
        Self::open(self.rig, self.model, false)
    }

    fn open(rig: &'a Rig, model: Model, clean_shutdown: bool) -> Self {
        let (mut log, report) = rig.open_with(OpenOptions {
            recovery_point: model.recovery_point,
            log_start_offset: model.start,
            clean_shutdown,
            now_ms: NOW,
            ..OpenOptions::default()
        });
        assert!(!clean_shutdown || report == Default::default(), "{report:?}");
        log.set_high_watermark(model.high_watermark);
        let model = Model { recovery_point: log.recovery_point(), ..model };
        Self { rig, log, model }
    }

    fn check(&self) {
        let Self { log, model, .. } = self;
        assert_eq!(log.log_start_offset(), model.start);
        assert_eq!(log.log_end_offset(), model.end);
        assert_eq!(log.high_watermark(), model.high_watermark);
        assert_eq!(read_all(log, model.start), model.records());
        if let Some((first, _)) = model.records().first() {
            let found = log.offset_for_timestamp(NOW).unwrap().unwrap();
            assert_eq!(found.offset, *first);
        }
    }
}

fn retain(log: &mut Log, model: &mut Model, bytes: i64) {
    let mut config = (**log.config()).clone();
    config.retention.bytes = bytes;
    log.update_config(config.into());
    let Some(plan) = log.retention(NOW).unwrap() else { return };
    assert!(matches!(plan.reason, RetentionReason::Size | RetentionReason::LogStart), "{plan:?}");
    assert!(plan.new_log_start_offset <= model.high_watermark);
    log.apply_retention(&plan, NOW).unwrap().remove().unwrap();
    assert_eq!(log.log_start_offset(), plan.new_log_start_offset);
    model.start = plan.new_log_start_offset;
}

#[test]
fn a_log_holds_what_a_list_of_batches_would() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 2000;
        rig.config.segment.index_interval_bytes = 150;
        rig.config.segment.ms = i64::MAX / 4;
        rig.config.retention.ms = -1;
        let steps = proptest::collection::vec(step(), 1..40);
        let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
        let tested = runner.run(&steps, |steps| {
            let _ = rig.store.remove_dir_all(&rig.folder());
            let mut pair = Pair::open(&rig, Model::default(), false);
            for step in &steps {
                pair = pair.apply(step);
                pair.check();
            }
            Ok(())
        });
        tested.unwrap();
    });
}
