//! Two brokers over one replicated log whose leader moves at the worst moments.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::*;
use crate::Record;

#[derive(Default)]
struct Replicated {
    batches: Vec<Bytes>,
    high_watermark: usize,
    leader: usize,
    epoch: i32,
    /// What each broker believes to lead in, which may be out of date.
    believes: [Option<i32>; 2],
}

#[derive(Default)]
struct World {
    log: watch::Sender<Replicated>,
}

/// The log as one of the brokers has it. An offset is the number of a batch.
struct Side {
    node: usize,
    world: Arc<World>,
}

impl Side {
    fn until(&self, epoch: i32, end: usize) -> Commit {
        let (node, mut log) = (self.node, self.world.log.subscribe());
        Box::pin(async move {
            let moved = |log: &Replicated| log.believes[node] != Some(epoch);
            let is_there = |log: &Replicated| log.epoch == epoch && log.high_watermark >= end;
            let settled = log.wait_for(|log| moved(log) || is_there(log)).await;
            let settled = settled.map_err(|_| AppendError::NotLeader)?;
            if is_there(&settled) { Ok(()) } else { Err(AppendError::NotLeader) }
        })
    }
}

impl LogWriter for Side {
    fn partition_count(&self) -> Option<i32> {
        Some(1)
    }

    fn leader_epoch(&self, _: i32) -> Option<i32> {
        self.world.log.borrow().believes[self.node]
    }

    fn max_batch_bytes(&self, _: i32) -> usize {
        MAX_BATCH_BYTES
    }

    fn append(&self, _: i32, epoch: i32, batch: Bytes) -> Result<Commit, AppendError> {
        if self.world.log.borrow().believes[self.node] != Some(epoch) {
            return Err(AppendError::NotLeader);
        }
        let mut end = usize::MAX;
        self.world.log.send_modify(|log| {
            // What a deposed leader writes is cut off when it hears of the other.
            if log.epoch == epoch {
                let mut bytes = Vec::from(batch);
                patch::set_base_offset(&mut bytes, log.batches.len() as i64 * 1000);
                log.batches.push(Bytes::from(bytes));
                end = log.batches.len();
            }
        });
        Ok(self.until(epoch, end))
    }

    fn committed(&self, _: i32, epoch: i32, offset: i64) -> Commit {
        let end = usize::try_from((offset + 999) / 1000).unwrap();
        self.until(epoch, end)
    }

    fn start_offset(&self, _: i32) -> i64 {
        0
    }

    fn read(&self, _: i32, offset: i64) -> Result<Bytes, ReadError> {
        let log = self.world.log.borrow();
        let index = usize::try_from((offset + 999) / 1000).unwrap();
        Ok(log.batches.get(index).cloned().unwrap_or_default())
    }
}

impl World {
    /// What offsets of a partition are committed, in their order.
    fn committed(&self, partition: i32) -> Vec<i64> {
        let log = self.log.borrow();
        let mut offsets = Vec::new();
        for batch in &log.batches[..log.high_watermark] {
            let batch = batches(batch).next().unwrap().unwrap();
            let payload = batch.payload(usize::MAX).unwrap();
            for record in payload.records() {
                let record = record.unwrap();
                let value = record.value.map(|value| payload.share(value));
                let decoded = Record::decode(payload.share(record.key.unwrap()), value).unwrap();
                if let Some(Record::Offset { partition: of, value: Some(value), .. }) = decoded
                    && of == partition
                {
                    offsets.push(value.offset);
                }
            }
        }
        offsets
    }

    /// Another leader is elected, which has all that is committed and some of the rest.
    fn elect(&self, leader: usize, kept: usize) {
        self.log.send_modify(|log| {
            let uncommitted = log.batches.len() - log.high_watermark;
            log.batches.truncate(log.high_watermark + kept % (uncommitted + 1));
            log.leader = leader;
            log.epoch += 1;
            log.believes[leader] = Some(log.epoch);
        });
    }

    /// A broker hears who leads.
    fn hear(&self, node: usize) {
        self.log.send_modify(|log| {
            log.believes[node] = (log.leader == node).then_some(log.epoch);
        });
    }

    fn replicate(&self, most: usize) {
        self.log.send_modify(|log| {
            log.high_watermark = log.batches.len().min(log.high_watermark + most);
        });
    }
}

/// A xorshift generator: the same seed, the same moves.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// By generation: whose assignment its members were told.
type Owners = Rc<RefCell<BTreeMap<i32, String>>>;

/// A member that joins, syncs, and joins again, at whoever leads.
async fn member(world: Arc<World>, nodes: [Groups; 2], name: &str, owners: Owners) {
    let (mut id, mut round) = (String::new(), 0);
    loop {
        tokio::task::yield_now().await;
        let leader = world.log.borrow().leader;
        let groups = &nodes[leader];
        let mut request = joining("g", None);
        request.member_id.clone_from(&id);
        let joined = groups.join(&request, 3, Caller::default()).await;
        if joined.error_code != ErrorCode::None {
            if joined.error_code == ErrorCode::UnknownMemberId {
                id.clear();
            }
            continue;
        }
        id.clone_from(&joined.member_id);
        round += 1;
        let assignment = Bytes::from(format!("{name} {round}"));
        let assigned = joined.members.iter().map(|member| SyncGroupRequestAssignment {
            member_id: member.member_id.clone(),
            assignment: assignment.clone(),
        });
        let request = SyncGroupRequest {
            group_id: "g".to_owned(),
            generation_id: joined.generation_id,
            member_id: id.clone(),
            assignments: assigned.collect(),
            ..SyncGroupRequest::default()
        };
        let synced = groups.sync(&request).await;
        if synced.error_code == ErrorCode::None {
            let told = String::from_utf8(synced.assignment.to_vec()).unwrap();
            let mut owners = owners.borrow_mut();
            let owner = owners.entry(joined.generation_id).or_insert_with(|| told.clone());
            assert_eq!(*owner, told, "two assignments in generation {}", joined.generation_id);
        }
    }
}

enum Seen {
    Acknowledged(i32, i64),
    Refused,
    Read(i32, Option<i64>),
}

async fn commit(groups: Groups, partition: i32, value: i64) -> Seen {
    let mut request = committing("offsets", 1);
    request.topics[0].partitions[0].index = partition;
    request.topics[0].partitions[0].offset = value;
    match groups.commit(&request).await {
        Ok(codes) if codes == [[ErrorCode::None]] => Seen::Acknowledged(partition, value),
        _ => Seen::Refused,
    }
}

async fn read(groups: Groups, partition: i32) -> Seen {
    match groups.fetch("offsets", &[("t".to_owned(), vec![partition])]).await {
        Ok(topics) => {
            let held = topics[0].partitions[0].committed.as_ref();
            Seen::Read(partition, held.map(|held| held.offset))
        }
        Err(_) => Seen::Refused,
    }
}

fn check(world: &World, seen: &Seen, acknowledged: &mut Vec<(i32, i64)>) {
    match seen {
        Seen::Acknowledged(partition, value) => {
            let held = world.committed(*partition).contains(value);
            assert!(held, "{value} was acknowledged and is not committed");
            acknowledged.push((*partition, *value));
        }
        Seen::Read(partition, Some(value)) => {
            let held = world.committed(*partition).contains(value);
            assert!(held, "{value} was read and is not committed");
        }
        Seen::Read(_, None) | Seen::Refused => {}
    }
}

/// How many commits were acknowledged, and how many generations were assigned.
async fn run(seed: u64) -> (usize, usize) {
    let world = Arc::<World>::default();
    let nodes = [0, 1].map(|node| {
        let side = Arc::new(Side { node, world: world.clone() });
        Groups::start(settings(), Compression::Lz4.into(), side, Arc::<TestClock>::default())
    });
    world.elect(0, 0);
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    let owners = Owners::default();
    let one = member(world.clone(), nodes.clone(), "one", owners.clone());
    let two = member(world.clone(), nodes.clone(), "two", owners.clone());
    let mut members = pin!(futures::future::join(one, two));
    let mut requests = FuturesUnordered::new();
    let mut acknowledged = Vec::new();
    for value in 0..400 {
        let (node, partition) = (random.below(2), i32::try_from(random.below(3)).unwrap());
        let groups = nodes[node].clone();
        match random.below(16) {
            0..5 => requests.push(tokio::spawn(commit(groups, partition, value))),
            5..8 => requests.push(tokio::spawn(read(groups, partition))),
            8..11 => world.replicate(1 + random.below(3)),
            11 => world.elect(node, random.below(5)),
            12 => {
                // Twice in a row; nobody hears of the first.
                world.elect(node, random.below(5));
                world.elect(1 - node, random.below(5));
            }
            13 => {
                world.hear(node);
                nodes[node].follow_leaders();
            }
            14 => nodes[node].follow_leaders(),
            _ => world.hear(node),
        }
        for _ in 0..random.below(6) {
            tokio::task::yield_now().await;
            assert!(futures::poll!(&mut members).is_pending());
        }
        while let std::task::Poll::Ready(Some(seen)) = futures::poll!(requests.next()) {
            check(&world, &seen.unwrap(), &mut acknowledged);
        }
    }
    // At last one leads, and all that is asked is answered.
    world.elect(0, usize::MAX - 1);
    for (node, groups) in nodes.iter().enumerate() {
        world.hear(node);
        groups.follow_leaders();
    }
    for partition in 0..3 {
        requests.push(tokio::spawn(read(nodes[0].clone(), partition)));
    }
    while !requests.is_empty() {
        world.replicate(usize::MAX / 2);
        assert!(futures::poll!(&mut members).is_pending());
        tokio::task::yield_now().await;
        while let std::task::Poll::Ready(Some(seen)) = futures::poll!(requests.next()) {
            check(&world, &seen.unwrap(), &mut acknowledged);
        }
    }
    for partition in 0..3 {
        let last = read(nodes[0].clone(), partition).await;
        let Seen::Read(_, value) = last else { panic!("nothing is answered, seed {seed}") };
        assert_eq!(value, world.committed(partition).last().copied(), "seed {seed}");
    }
    for (partition, value) in &acknowledged {
        assert!(world.committed(*partition).contains(value), "{value} is lost, seed {seed}");
    }
    for groups in &nodes {
        groups.shutdown().await;
    }
    (acknowledged.len(), owners.borrow().len())
}

#[tokio::test]
async fn leaders_that_move_at_any_moment_lose_and_invent_nothing() {
    let (mut commits, mut generations) = (0, 0);
    for seed in 0..60 {
        let (acknowledged, assigned) = run(seed).await;
        commits += acknowledged;
        generations += assigned;
    }
    assert!(commits > 100 && generations > 20, "{commits} commits, {generations} generations");
}
