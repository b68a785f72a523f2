use super::super::batch::UNQUEUED;
use super::*;
use crate::metadata::{Node, Partition};
use protocol::ErrorCode;

const A: ProducerId = ProducerId { id: 7, epoch: 0 };
const B: ProducerId = ProducerId { id: 7, epoch: 1 };

fn settings(is_idempotent: bool) -> Settings {
    Settings {
        batch_size: 200,
        linger: Duration::from_millis(10),
        codec: Codec::default(),
        is_idempotent,
        max_in_flight: 5,
        max_request_size: 10_000,
        delivery_timeout: Duration::from_secs(10),
        adaptive_partitioning: true,
    }
}

fn topic() -> Topic {
    let partition = |index| Partition {
        index,
        leader: Some(1),
        leader_epoch: 0,
        replicas: vec![1],
        isr: vec![1],
        offline: vec![],
        error_code: ErrorCode::None,
    };
    let partitions = vec![partition(0), partition(1)];
    Topic { name: "t".into(), id: None, is_internal: false, partitions }
}

fn metadata() -> Metadata {
    let node = Node { id: 1, host: "h".to_owned(), port: 1, rack: None };
    Metadata {
        brokers: [(1, node)].into(),
        topics: [("t".into(), topic())].into(),
        ..Metadata::default()
    }
}

struct Setup {
    accumulator: Accumulator,
    start: Instant,
}

impl Setup {
    fn new(is_idempotent: bool) -> Self {
        let accumulator = Accumulator::new(settings(is_idempotent));
        Self { accumulator, start: Instant::now() }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    /// A batch of one record for partition 0 that must arrive as it is, not queued yet.
    fn whole(&self) -> Batch {
        let place = TopicPartition::new("t", 0);
        let mut whole = Batch::new(UNQUEUED, place, Codec::default(), 0, self.start);
        assert!(whole.try_append(&Record::to("t"), 0, 10, usize::MAX));
        whole.is_whole = true;
        whole
    }

    /// Appends a record of about 100 bytes to partition 0.
    fn append(&mut self, millis: u64) -> Receiver {
        let record = Record::to("t").value(vec![0; 90]);
        let moment = Moment { now: self.at(millis), now_ms: 0, random: || 0 };
        let (sender, receiver) = oneshot::channel();
        let reply = Reply::Awaited(sender);
        let appended = self.accumulator.append(&topic(), &record, Choice::Fixed(0), moment, reply);
        appended.expect("the accumulator is open");
        receiver
    }

    /// Appends a batch that nothing can be added to.
    fn fill(&mut self, millis: u64) -> Receiver {
        let receiver = self.append(millis);
        self.append(millis);
        receiver
    }

    /// The batches to send, closed with their numbers.
    fn take(&mut self, producer: Option<ProducerId>, millis: u64) -> Vec<Batch> {
        let now = self.at(millis);
        let plan = self.accumulator.plan(&metadata(), producer, now, |_| true);
        let taken = plan.requests.into_values().flatten();
        taken
            .map(|(mut batch, numbering)| {
                batch.close(numbering);
                batch
            })
            .collect()
    }

    fn queue(&mut self) -> &mut Queue {
        self.accumulator.queue(&TopicPartition::new("t", 0))
    }

    fn acknowledge(&mut self, batch: &Batch) {
        self.queue().acknowledged(batch);
    }
}

/// Epoch and first sequence of each batch.
fn numbers(batches: &[Batch]) -> Vec<(i16, i32)> {
    let number = |batch: &Batch| batch.numbering.map(|n| (n.epoch, n.base_sequence));
    batches.iter().filter_map(number).collect()
}

#[test]
fn a_batch_goes_when_it_is_full_or_has_lingered() {
    let mut setup = Setup::new(false);
    setup.append(0);
    assert_eq!(setup.take(None, 9).len(), 0);
    let plan_at = setup.at(9);
    let plan = setup.accumulator.plan(&metadata(), None, plan_at, |_| true);
    assert_eq!(plan.wake_at, Some(setup.at(10)));
    assert_eq!(setup.take(None, 10).len(), 1);
    setup.append(20);
    setup.append(20);
    let full = setup.take(None, 20);
    assert_eq!((full.len(), full[0].count), (1, 1), "a second batch makes the first one full");
}

#[test]
fn what_cannot_be_sent_yet_says_what_it_waits_for() {
    let mut setup = Setup::new(false);
    setup.append(0);
    let now = setup.at(50);
    let busy = setup.accumulator.plan(&metadata(), None, now, |_| false);
    assert_eq!(busy.awaited_nodes, BTreeSet::from([1]));
    let unknown = setup.accumulator.plan(&Metadata::default(), None, now, |_| true);
    assert_eq!(unknown.leaderless, BTreeSet::from(["t".into()]));
    assert!(unknown.requests.is_empty());
}

#[test]
fn the_first_batch_of_a_sequence_goes_alone() {
    let mut setup = Setup::new(true);
    (0..3).for_each(|_| drop(setup.fill(0)));
    assert_eq!(setup.take(None, 50).len(), 0, "there is no producer id yet");
    let first = setup.take(Some(A), 50);
    assert_eq!(numbers(&first), [(0, 0)]);
    assert_eq!(setup.take(Some(A), 50).len(), 0);
    setup.acknowledge(&first[0]);
    let mut rest = setup.take(Some(A), 50);
    rest.extend(setup.take(Some(A), 50));
    assert_eq!(numbers(&rest), [(0, 1), (0, 2)]);
}

#[test]
fn batches_are_sent_again_one_by_one_in_the_order_of_their_sequences() {
    let mut setup = Setup::new(true);
    (0..5).for_each(|_| drop(setup.append(0)));
    let first = setup.take(Some(A), 50);
    setup.acknowledge(&first[0]);
    let second = setup.take(Some(A), 50);
    let third = setup.take(Some(A), 50);
    assert_eq!((numbers(&second), numbers(&third)), (vec![(0, 1)], vec![(0, 2)]));
    setup.queue().put_back(third);
    assert_eq!(setup.take(Some(A), 50).len(), 0, "the one before is still on its way");
    setup.queue().put_back(second);
    let again = setup.take(Some(A), 50);
    assert_eq!(numbers(&again), [(0, 1)]);
    assert_eq!(setup.take(Some(A), 50).len(), 0);
    setup.acknowledge(&again[0]);
    assert_eq!(numbers(&setup.take(Some(A), 50)), [(0, 2)]);
    assert_eq!(numbers(&setup.take(Some(A), 50)), [(0, 3)], "new batches need not wait");
}

#[test]
fn a_gap_starts_the_sequence_again_under_a_new_epoch() {
    let mut setup = Setup::new(true);
    (0..4).for_each(|_| drop(setup.append(0)));
    let first = setup.take(Some(A), 50);
    setup.acknowledge(&first[0]);
    let given_up = setup.take(Some(A), 50);
    let behind = setup.take(Some(A), 50);
    setup.queue().given_up(&given_up[0]);
    assert_eq!(setup.take(Some(B), 50).len(), 0, "nothing goes while the old epoch is on its way");
    setup.queue().put_back(behind);
    let now = setup.at(50);
    let plan = setup.accumulator.plan(&metadata(), Some(A), now, |_| true);
    assert!(plan.wants_new_epoch && plan.requests.is_empty());
    let restarted = setup.take(Some(B), 50);
    assert_eq!(numbers(&restarted), [(1, 0)]);
    setup.acknowledge(&restarted[0]);
    assert_eq!(numbers(&setup.take(Some(B), 50)), [(1, 1)]);
}

#[test]
fn out_of_order_is_a_gap_only_for_the_batch_that_is_next() {
    let mut setup = Setup::new(true);
    (0..4).for_each(|_| drop(setup.append(0)));
    let first = setup.take(Some(A), 50);
    setup.acknowledge(&first[0]);
    let second = setup.take(Some(A), 50);
    let third = setup.take(Some(A), 50);
    setup.queue().out_of_sequence(&third[0]);
    setup.queue().put_back(third);
    setup.queue().put_back(second);
    let again = setup.take(Some(A), 50);
    assert_eq!(numbers(&again), [(0, 1)], "the one before was missing, not the sequence broken");
    setup.queue().out_of_sequence(&again[0]);
    setup.queue().put_back(again);
    assert_eq!(numbers(&setup.take(Some(B), 50)), [(1, 0)]);
}

#[test]
fn nothing_joins_a_batch_that_is_whole() {
    let mut setup = Setup::new(false);
    let whole = setup.whole();
    assert!(setup.accumulator.append_whole(whole));
    setup.append(0);
    let first = setup.take(None, 0);
    assert_eq!((first.len(), first[0].count, first[0].is_whole), (1, 1, true));
    assert_eq!(setup.take(None, 50)[0].count, 1);
}

#[test]
fn a_whole_batch_takes_its_place_when_it_is_queued_and_not_when_it_is_begun() {
    let mut setup = Setup::new(false);
    let whole = setup.whole();
    setup.append(0);
    assert!(setup.accumulator.append_whole(whole));
    let first = setup.take(None, 50);
    let ids = (first[0].id, setup.queue().waiting[0].id);
    assert!(ids.0 < ids.1, "{ids:?}");
    setup.queue().put_back(first);
    assert_eq!(setup.queue().waiting[0].id, ids.0, "a retry goes before what came later");
}

#[test]
fn a_split_batch_keeps_its_place_its_sequences_and_its_receivers() {
    let mut setup = Setup::new(true);
    setup.accumulator.settings.batch_size = 1000;
    let mut receivers: Vec<Receiver> = (0..6).map(|_| setup.append(0)).collect();
    let whole = setup.take(Some(A), 50).remove(0);
    assert_eq!(whole.count, 6);
    let (id, charged) = (whole.id, whole.charged);
    let parts = whole.split(300).expect("the batch is sound");
    assert_eq!(parts.iter().map(|part| part.count).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(parts.iter().map(|part| part.charged).sum::<usize>(), charged);
    assert_eq!(numbers(&parts), [(0, 0), (0, 2), (0, 4)]);
    setup.accumulator.was_split(id, "t", parts.len());
    setup.queue().put_back(parts);
    for base in [100, 200, 300] {
        let part = setup.take(Some(A), 50).remove(0);
        setup.acknowledge(&part);
        assert!(!setup.accumulator.is_done_below(1));
        setup.accumulator.done(part.id);
        part.complete(Some(base), None);
    }
    assert!(setup.accumulator.is_done_below(1));
    let offsets: Vec<Option<i64>> =
        receivers.iter_mut().map(|receiver| receiver.try_recv().unwrap().unwrap().offset).collect();
    let expected = [100, 101, 200, 201, 300, 301].map(Some);
    assert_eq!(offsets, expected);
}

#[test]
fn late_batches_expire_and_break_the_sequence_if_they_were_sent() {
    let mut setup = Setup::new(true);
    (0..3).for_each(|_| drop(setup.append(0)));
    let first = setup.take(Some(A), 50);
    setup.acknowledge(&first[0]);
    let second = setup.take(Some(A), 50);
    setup.queue().put_back(second);
    let (early, next) = setup.accumulator.expire(setup.at(9_999));
    assert_eq!((early.len(), next), (0, Some(setup.at(10_000))));
    let (late, next) = setup.accumulator.expire(setup.at(10_000));
    assert_eq!((late.len(), next), (2, None));
    setup.append(10_001);
    assert_eq!(setup.take(Some(A), 10_050).len(), 0);
    assert_eq!(numbers(&setup.take(Some(B), 10_050)), [(1, 0)]);
}
