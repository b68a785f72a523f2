//! Compaction against the simplest thing that says what must be left: a list of all records that
//! were ever written.

use std::collections::BTreeMap;

use broker_log::OpenOptions;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protocol::record::Compression;

use super::*;

const RETENTION_MS: i64 = 100;
const PRODUCERS: usize = 3;

/// What is done to both.
#[derive(Clone, Debug)]
enum Step {
    /// Records of these keys, every third one of some of them a tombstone, by nobody, by an
    /// idempotent producer, or in a transaction.
    Append {
        keys: Vec<u8>,
        codec: usize,
        by: Option<(usize, bool)>,
    },
    End {
        producer: usize,
        commit: bool,
    },
    Roll,
    Pass {
        room: usize,
        later_ms: i64,
    },
    Restart,
    Crash {
        snapshots: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let by = proptest::option::of((0..PRODUCERS, any::<bool>()));
    let keys = proptest::collection::vec(0..12_u8, 1..6);
    prop_oneof![
        12 => (keys, 0..5_usize, by).prop_map(|(keys, codec, by)| Step::Append { keys, codec, by }),
        4 => (0..PRODUCERS, any::<bool>())
            .prop_map(|(producer, commit)| Step::End { producer, commit }),
        2 => Just(Step::Roll),
        5 => (1..16_usize, 0..150_i64).prop_map(|(room, later_ms)| Step::Pass { room, later_ms }),
        1 => Just(Step::Restart),
        1 => any::<bool>().prop_map(|snapshots| Step::Crash { snapshots }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

/// A batch that was written.
#[derive(Debug)]
struct Written {
    records: Vec<Seen>,
    fate: Fate,
    /// When its tombstones may go.
    horizon: Option<i64>,
    /// A pass came after that.
    tombstones_are_gone: bool,
}

impl Written {
    fn last_offset(&self) -> i64 {
        self.records.last().map_or(0, |record| record.offset)
    }
}

#[derive(Default)]
struct Producer {
    /// Idempotent and transactional producers are different ones.
    sequence: [i32; 2],
    open: bool,
    last: [Option<(i64, Bytes)>; 2],
}

struct Pair<'a> {
    rig: &'a Rig,
    log: Log,
    cleaner: Cleaner,
    now_ms: i64,
    written: Vec<Written>,
    producers: [Producer; PRODUCERS],
    /// Of each producer's open transaction, by index, which batches.
    open: BTreeMap<usize, Vec<usize>>,
    end: i64,
}

fn id_of(producer: usize, transactional: bool) -> i64 {
    producer as i64 * 2 + i64::from(transactional) + 100
}

impl<'a> Pair<'a> {
    fn new(rig: &'a Rig) -> Self {
        let _ = rig.store.remove_dir_all(&rig.folder());
        Self {
            rig,
            log: rig.open(),
            cleaner: Cleaner::new(),
            now_ms: NOW,
            written: Vec::new(),
            producers: Default::default(),
            open: BTreeMap::new(),
            end: 0,
        }
    }

    fn apply(mut self, step: &Step) -> Self {
        match step {
            Step::Append { keys, codec, by } => self.append(keys, *codec, *by),
            Step::End { producer, commit } => self.end(*producer, *commit),
            Step::Roll => drop(self.log.roll_if_due(late(&self.log)).unwrap()),
            Step::Pass { room, later_ms } => self.pass(*room, *later_ms),
            Step::Restart => {
                self.log.close().unwrap();
                self.log = self.rig.open();
            }
            Step::Crash { snapshots } => {
                drop(self.log);
                let files = self.rig.files();
                for name in files.iter().filter(|name| name.ends_with(".snapshot") && !snapshots) {
                    self.rig.remove(name);
                }
                let (log, report) = self.rig.open_with(OpenOptions {
                    recovery_point: 0,
                    now_ms: self.now_ms,
                    ..Default::default()
                });
                assert_eq!(report.bytes_cut, 0);
                self.log = log;
            }
        }
        self.log.set_high_watermark(self.log.log_end_offset());
        self
    }

    fn append(&mut self, keys: &[u8], codec: usize, by: Option<(usize, bool)>) {
        let mut options =
            BatchOptions { codec: Compression::ALL[codec].into(), ..Default::default() };
        if let Some((producer, transactional)) = by {
            options.producer_id = id_of(producer, transactional);
            options.producer_epoch = 0;
            options.base_sequence = self.producers[producer].sequence[usize::from(transactional)];
            options.is_transactional = transactional;
        }
        let records: Vec<_> = (self.end..)
            .zip(keys)
            .map(|(offset, key)| {
                let tombstone = key % 2 == 0 && offset % 3 == 0;
                seen(offset, &key.to_string(), (!tombstone).then_some("v"))
            })
            .collect();
        let sent: Vec<_> =
            records.iter().map(|record| (record.key.as_str(), record.value.as_deref())).collect();
        let batch = keyed(options, &sent);
        assert_eq!(append_bytes(&mut self.log, &batch), self.end);
        self.end += records.len() as i64;
        let mut fate = Fate::Committed;
        if let Some((producer, transactional)) = by {
            let known = &mut self.producers[producer];
            let kind = usize::from(transactional);
            known.sequence[kind] += records.len() as i32;
            known.last[kind] = Some((records[0].offset, batch));
            if transactional {
                known.open = true;
                fate = Fate::Open;
                self.open.entry(producer).or_default().push(self.written.len());
            }
        }
        self.written.push(Written { records, fate, horizon: None, tombstones_are_gone: false });
    }

    fn end(&mut self, producer: usize, commit: bool) {
        if !self.producers[producer].open {
            return;
        }
        self.producers[producer].open = false;
        append_marker(&mut self.log, id_of(producer, true), 0, commit);
        self.end += 1;
        for index in self.open.remove(&producer).unwrap_or_default() {
            self.written[index].fate = if commit { Fate::Committed } else { Fate::Aborted };
        }
    }

    fn pass(&mut self, room: usize, later_ms: i64) {
        self.now_ms += later_ms;
        let now_ms = self.now_ms;
        self.cleaner.map = OffsetMap::new(24 * (room + 1), 1.0);
        let before = self.cleaner.cleanable(&self.log, now_ms);
        let stats = self.cleaner.pass(&mut self.log, now_ms);
        let first = before.first_dirty_offset;
        assert!(stats.end_offset <= before.first_uncleanable_offset);
        assert!(stats.end_offset > first || before.first_uncleanable_offset == first);
        let left = committed(&self.log);
        for batch in &mut self.written {
            if batch.last_offset() >= stats.end_offset {
                continue;
            }
            batch.tombstones_are_gone |= batch.horizon.is_some_and(|horizon| horizon <= now_ms);
            let is_tombstone = |seen: &&Seen| seen.value.is_none() && batch.records.contains(seen);
            if batch.horizon.is_none() && left.iter().any(|seen| is_tombstone(&seen)) {
                batch.horizon = Some(now_ms + RETENTION_MS);
            }
        }
    }

    /// What readers see is what the list says.
    fn check(&self) {
        assert_eq!(self.log.log_end_offset(), self.end);
        assert_eq!(self.log.log_start_offset(), 0);
        let stable = self.log.last_stable_offset();
        let reached = self.cleaner.checkpoint.unwrap_or(0);
        let mut found = committed(&self.log).into_iter().peekable();
        let batches = self.written.iter().filter(|batch| batch.fate == Fate::Committed);
        let all: Vec<_> = batches
            .flat_map(|batch| batch.records.iter().map(move |record| (batch, record)))
            .filter(|(_, record)| record.offset < stable)
            .collect();
        for (batch, record) in &all {
            let is_there = found.next_if(|next| next == *record).is_some();
            let later = |up_to: i64| {
                let between = record.offset + 1..up_to;
                all.iter().any(|(_, next)| between.contains(&next.offset) && next.key == record.key)
            };
            let must_stay = record.offset >= reached
                || (!later(stable) && (record.value.is_some() || !batch.tombstones_are_gone));
            let must_be_gone = record.offset < reached
                && (later(reached) || (record.value.is_none() && batch.tombstones_are_gone));
            assert!(is_there || !must_stay, "{record:?} is gone; reached {reached}");
            assert!(!is_there || !must_be_gone, "{record:?} is there; reached {reached}");
        }
        assert_eq!(found.next(), None, "nothing else is there");
        assert_eq!(remainders(self.rig), Vec::<String>::new());
    }

    /// All producers can go on where they were, and what they repeat is known.
    fn check_producers(&mut self) {
        for (producer, known) in self.producers.iter().enumerate() {
            for (base_offset, batch) in known.last.iter().flatten() {
                let again = self.log.append_as_leader(batch, by_client()).unwrap();
                assert!(again.duplicate, "producer {producer}");
                assert_eq!(again.base_offset, *base_offset);
            }
        }
    }
}

#[test]
fn readers_see_what_a_list_of_all_records_says() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        rig.config.segment.bytes = 900;
        rig.config.compaction.delete_retention_ms = RETENTION_MS;
        let steps = proptest::collection::vec(step(), 1..60);
        let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
        let tested = runner.run(&steps, |steps| {
            let mut pair = Pair::new(&rig);
            for step in &steps {
                pair = pair.apply(step);
                pair.check();
            }
            pair = pair.apply(&Step::Crash { snapshots: false });
            pair.check();
            pair.check_producers();
            Ok(())
        });
        tested.unwrap();
    });
}
