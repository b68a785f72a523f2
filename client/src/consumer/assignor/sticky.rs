//! Balanced first, then as few moves as possible (KIP-54, KIP-429).
//!
//! Where all members subscribe to the same topics, everybody keeps what it has up to its quota
//! and the rest is dealt out. Otherwise free partitions go to the least loaded member that may
//! have them, then single partitions move as long as a move evens out two members.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::{Assignment, Member, empty};
use crate::TopicPartition;

/// Generation of a member that has none yet.
const NO_GENERATION: i32 = -1;

pub(super) fn assign(partition_counts: &BTreeMap<Arc<str>, i32>, members: &[Member]) -> Assignment {
    let memories: Vec<Memory> = members.iter().map(Memory::of_sticky).collect();
    balance(partition_counts, members, memories)
}

/// A partition that moves is first taken from its owner only; the rebalance after that gives it
/// to its new one.
pub(super) fn assign_cooperatively(
    partition_counts: &BTreeMap<Arc<str>, i32>,
    members: &[Member],
) -> Assignment {
    let memories: Vec<Memory> = members.iter().map(Memory::of_cooperative).collect();
    let mut assignment = balance(partition_counts, members, memories);
    let mut owners = HashMap::<&TopicPartition, &str>::new();
    for member in members {
        owners.extend(member.subscription.owned.iter().map(|p| (p, member.id.as_str())));
    }
    let had: HashMap<&str, BTreeSet<&TopicPartition>> = members
        .iter()
        .map(|member| (member.id.as_str(), member.subscription.owned.iter().collect()))
        .collect();
    for (member, partitions) in &mut assignment {
        partitions.retain(|partition| {
            had.get(member.as_str()).is_some_and(|had| had.contains(partition))
                || owners.get(partition).is_none_or(|owner| owner == member)
        });
    }
    assignment
}

/// What a member had, and in which generation.
struct Memory {
    owned: Vec<TopicPartition>,
    generation: i32,
}

impl Memory {
    fn of_sticky(member: &Member) -> Self {
        let decoded = member.subscription.user_data.as_ref().and_then(decode_memory);
        decoded.unwrap_or(Self { owned: Vec::new(), generation: NO_GENERATION })
    }

    fn of_cooperative(member: &Member) -> Self {
        let subscription = &member.subscription;
        let data = subscription.user_data.as_ref().filter(|data| data.len() >= 4);
        let generation = match data {
            Some(data) => data.clone().get_i32(),
            None => subscription.generation,
        };
        Self { owned: subscription.owned.clone(), generation }
    }
}

/// Java's user data of the sticky assignor, version 1.
pub(super) fn encode_memory(owned: &[TopicPartition], generation: i32) -> Option<Bytes> {
    let mut topics = BTreeMap::<&str, Vec<i32>>::new();
    for partition in owned {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let mut bytes = BytesMut::new();
    bytes.put_i32(i32::try_from(topics.len()).ok()?);
    for (topic, partitions) in topics {
        bytes.put_i16(i16::try_from(topic.len()).ok()?);
        bytes.put_slice(topic.as_bytes());
        bytes.put_i32(i32::try_from(partitions.len()).ok()?);
        partitions.into_iter().for_each(|partition| bytes.put_i32(partition));
    }
    bytes.put_i32(generation);
    Some(bytes.freeze())
}

/// Version 0 lacks the generation. Bytes that are neither are no memory.
fn decode_memory(bytes: &Bytes) -> Option<Memory> {
    let mut rest = bytes.clone();
    let mut owned = Vec::new();
    for _ in 0..rest.try_get_i32().ok()? {
        let length = usize::try_from(rest.try_get_i16().ok()?).ok()?;
        if rest.len() < length {
            return None;
        }
        let topic: Arc<str> = std::str::from_utf8(&rest.split_to(length)).ok()?.into();
        for _ in 0..rest.try_get_i32().ok()? {
            owned.push(TopicPartition::new(topic.clone(), rest.try_get_i32().ok()?));
        }
    }
    Some(Memory { owned, generation: rest.try_get_i32().unwrap_or(NO_GENERATION) })
}

fn balance(
    partition_counts: &BTreeMap<Arc<str>, i32>,
    members: &[Member],
    memories: Vec<Memory>,
) -> Assignment {
    if members.is_empty() {
        return Assignment::new();
    }
    let topics: Vec<BTreeSet<&str>> = members
        .iter()
        .map(|member| {
            let subscribed = member.subscription.topics.iter().map(String::as_str);
            subscribed.filter(|topic| partition_counts.contains_key(*topic)).collect()
        })
        .collect();
    let all: Vec<TopicPartition> = partition_counts
        .iter()
        .filter(|(topic, _)| topics.iter().any(|subscribed| subscribed.contains(&***topic)))
        .flat_map(|(topic, count)| {
            (0..*count).map(|index| TopicPartition::new(topic.clone(), index))
        })
        .collect();
    let kept = claims(&all, &topics, memories);
    let shares = match topics.iter().all(|subscribed| *subscribed == topics[0]) {
        true => deal_by_quota(&all, kept),
        false => even_out(&all, &topics, kept),
    };
    let mut assignment = empty(members);
    for (member, mut share) in members.iter().zip(shares) {
        share.sort_unstable();
        assignment.insert(member.id.clone(), share);
    }
    assignment
}

/// What each member may keep: partitions that still exist, that it is still subscribed to, and
/// that nobody claims from the same or a later generation.
fn claims(
    all: &[TopicPartition],
    topics: &[BTreeSet<&str>],
    memories: Vec<Memory>,
) -> Vec<Vec<TopicPartition>> {
    let existing: BTreeSet<&TopicPartition> = all.iter().collect();
    let mut winners = HashMap::<TopicPartition, (i32, Option<usize>)>::new();
    for (member, memory) in memories.iter().enumerate() {
        for partition in &memory.owned {
            let claim = winners.entry(partition.clone()).or_insert((memory.generation, None));
            match claim {
                (generation, owner @ None) if *generation == memory.generation => {
                    *owner = Some(member);
                }
                (generation, _) if *generation > memory.generation => {}
                (generation, owner) if *generation < memory.generation => {
                    (*generation, *owner) = (memory.generation, Some(member));
                }
                // Two members of one generation claim it: neither is believed.
                (_, owner) => *owner = Some(usize::MAX),
            }
        }
    }
    let mut kept = vec![Vec::new(); memories.len()];
    for (member, memory) in memories.into_iter().enumerate() {
        kept[member] = memory
            .owned
            .into_iter()
            .filter(|partition| {
                existing.contains(partition)
                    && topics[member].contains(&*partition.topic)
                    && winners.get(partition).is_some_and(|(_, owner)| *owner == Some(member))
            })
            .collect();
        kept[member].sort_unstable();
        kept[member].dedup();
    }
    kept
}

/// For equal subscriptions: everybody keeps up to its quota, free partitions fill the others up.
fn deal_by_quota(
    all: &[TopicPartition],
    mut shares: Vec<Vec<TopicPartition>>,
) -> Vec<Vec<TopicPartition>> {
    let (quota, mut larger) = (all.len() / shares.len(), all.len() % shares.len());
    for share in &mut shares {
        if share.len() > quota && larger > 0 {
            share.truncate(quota + 1);
            larger -= 1;
        } else {
            share.truncate(quota);
        }
    }
    let taken: BTreeSet<TopicPartition> = shares.iter().flatten().cloned().collect();
    let mut free = all.iter().filter(|partition| !taken.contains(partition));
    // First everybody up to the quota, in turns; then one more for as many as there are left.
    loop {
        let mut gave = false;
        for share in shares.iter_mut().filter(|share| share.len() < quota) {
            share.extend(free.next().cloned());
            gave = true;
        }
        if !gave {
            break;
        }
    }
    for share in shares.iter_mut().filter(|share| share.len() == quota) {
        share.extend(free.next().cloned());
    }
    shares
}

/// For unequal subscriptions.
fn even_out(
    all: &[TopicPartition],
    topics: &[BTreeSet<&str>],
    mut shares: Vec<Vec<TopicPartition>>,
) -> Vec<Vec<TopicPartition>> {
    let may_have =
        |member: usize, partition: &TopicPartition| topics[member].contains(&*partition.topic);
    let candidates = |partition: &TopicPartition| {
        (0..topics.len()).filter(|member| may_have(*member, partition)).count()
    };
    let taken: BTreeSet<TopicPartition> = shares.iter().flatten().cloned().collect();
    let mut free: Vec<&TopicPartition> =
        all.iter().filter(|partition| !taken.contains(partition)).collect();
    free.sort_by_key(|partition| candidates(partition));
    for partition in free {
        let eligible = (0..shares.len()).filter(|member| may_have(*member, partition));
        if let Some(member) = eligible.min_by_key(|member| shares[*member].len()) {
            shares[member].push(partition.clone());
        }
    }
    // Each move lowers the sum of the squared loads, so that this ends.
    loop {
        let mut moved = false;
        for from in 0..shares.len() {
            let mut at = 0;
            while at < shares[from].len() {
                let partition = shares[from][at].clone();
                let lighter = (0..shares.len())
                    .filter(|to| may_have(*to, &partition))
                    .min_by_key(|to| shares[*to].len())
                    .filter(|to| shares[*to].len() + 1 < shares[from].len());
                match lighter {
                    Some(to) => {
                        shares[from].remove(at);
                        shares[to].push(partition);
                        moved = true;
                    }
                    None => at += 1,
                }
            }
        }
        if !moved {
            return shares;
        }
    }
}
