//! Fetches, as a leader answers them.

use protocol::ErrorCode;
use protocol::messages::fetch_request::FetchPartition;
use protocol::messages::fetch_response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
    SnapshotId,
};
use protocol::messages::{FetchRequest, FetchResponse};
use protocol::record::Records;

use super::answers::{Asker, TOPIC, TOPIC_ID};
use super::{Raft, Step};
use crate::leader::ParkedFetch;
use crate::log_view::{Relation, relation};
use crate::role::Role;
use crate::rules::{Rule, holds};
use crate::{Action, Fill, ReplicaKey, Response};

/// The most fetches that wait at a time. Each follower has one, so it is a bound against a flood.
const PARKED_MAX: usize = 10_000;

/// From which version on an answer names the leader's address.
const ENDPOINTS_FROM: i16 = 17;

/// What a fetch is answered with.
enum Fetched {
    Refused(ErrorCode),
    Diverging(EpochEndOffset),
    Snapshot(SnapshotId),
    Records,
    /// Its log is as long as this one: there are none yet.
    NoRecords,
}

impl Raft {
    pub(super) fn fetch_requested(
        &mut self,
        step: &mut Step<'_>,
        from: Asker,
        request: &FetchRequest,
    ) {
        let refused = |error_code| FetchResponse { error_code, ..FetchResponse::default() };
        if !self.is_this_cluster(request.cluster_id.as_deref()) {
            let response = refused(ErrorCode::InconsistentClusterId);
            return self.answer(step, from.handle, Response::Fetch(Box::new(response)));
        }
        let Some(asked) = only_partition(request) else {
            let response = refused(ErrorCode::InvalidRequest);
            return self.answer(step, from.handle, Response::Fetch(Box::new(response)));
        };
        let id = match request.replica_id {
            -1 => request.replica_state.replica_id,
            id => id,
        };
        let parked = ParkedFetch {
            handle: from.handle,
            listener: from.listener,
            version: from.version,
            key: ReplicaKey::new(id, asked.replica_directory_id),
            offset: asked.fetch_offset,
            last_epoch: asked.last_fetched_epoch,
            max_bytes: request.max_bytes,
            until: step.ms() + i64::from(request.max_wait_ms),
        };
        if request.max_wait_ms < 0
            || asked.fetch_offset < 0
            || asked.last_fetched_epoch < 0
            || asked.last_fetched_epoch > asked.current_leader_epoch
        {
            return self.refuse_parked(step, &parked, ErrorCode::InvalidRequest);
        }
        let fetched = match self.refuse_unless_leading(asked.current_leader_epoch) {
            Some(error) => Fetched::Refused(error),
            None => self.fetch(step, &parked),
        };
        let knows_high_watermark = match &self.role {
            Role::Leader(leader) => asked.high_watermark >= leader.high_watermark.unwrap_or(-1),
            _ => false,
        };
        let may_wait = request.max_wait_ms > 0 && knows_high_watermark;
        if matches!(fetched, Fetched::NoRecords) && may_wait {
            self.park(step, parked);
        } else {
            self.answer_fetch(step, &parked, fetched);
        }
    }

    /// What a leader has for a replica, whose progress it notes.
    fn fetch(&mut self, step: &mut Step<'_>, asked: &ParkedFetch) -> Fetched {
        let Role::Leader(leader) = &mut self.role else {
            return Fetched::Refused(ErrorCode::NotLeaderOrFollower);
        };
        if asked.key.id == self.config.node {
            return Fetched::Refused(ErrorCode::UnknownServerError);
        }
        let related = related(step, asked);
        if matches!(related, Relation::Prefix) && asked.key.id >= 0 {
            let (end, now) = (step.end.offset, step.now);
            if leader.fetched(&asked.key, asked.offset, end, now) {
                self.leader_committed(step);
            }
        }
        fetched(step, asked, related)
    }

    fn park(&mut self, step: &mut Step<'_>, parked: ParkedFetch) {
        let Role::Leader(leader) = &mut self.role else { return };
        let waits = &mut leader.parked;
        // A replica asks one thing at a time: what it asked before, it does not wait for.
        let same = waits.iter().position(|other| other.key == parked.key && other.key.id >= 0);
        let superseded = same.map(|at| waits.remove(at));
        let overflow = (waits.len() >= PARKED_MAX).then(|| waits.remove(0));
        waits.push(parked);
        for old in superseded.into_iter().chain(overflow) {
            self.answer_fetch(step, &old, Fetched::NoRecords);
        }
    }

    /// Answers the fetches that wait and are `due`.
    pub(super) fn answer_parked(
        &mut self,
        step: &mut Step<'_>,
        due: impl Fn(&ParkedFetch) -> bool,
    ) {
        let Role::Leader(leader) = &mut self.role else { return };
        let (answered, waiting): (Vec<_>, Vec<_>) = leader.parked.drain(..).partition(due);
        leader.parked = waiting;
        for parked in answered {
            // Meanwhile the log may have been shortened behind a snapshot.
            let fetched = fetched(step, &parked, related(step, &parked));
            self.answer_fetch(step, &parked, fetched);
        }
    }

    pub(super) fn expire_parked(&mut self, step: &mut Step<'_>) {
        let now = step.ms();
        self.answer_parked(step, |parked| parked.until <= now);
    }

    pub(super) fn refuse_parked(
        &self,
        step: &mut Step<'_>,
        parked: &ParkedFetch,
        error: ErrorCode,
    ) {
        self.answer_fetch(step, parked, Fetched::Refused(error));
    }

    fn answer_fetch(&self, step: &mut Step<'_>, asked: &ParkedFetch, fetched: Fetched) {
        let high_watermark = match &self.role {
            Role::Leader(leader) => leader.high_watermark.unwrap_or(-1),
            _ => -1,
        };
        let mut partition = PartitionData {
            partition_index: 0,
            high_watermark,
            log_start_offset: step.log.start_offset(),
            current_leader: LeaderIdAndEpoch {
                leader_id: self.leader_or_none(),
                leader_epoch: self.epoch,
            },
            records: Some(Records::Bytes(bytes::Bytes::new())),
            ..PartitionData::default()
        };
        let mut fill = Fill::Nothing;
        match fetched {
            Fetched::Refused(error) => {
                partition.error_code = error;
                partition.high_watermark = -1;
            }
            Fetched::Diverging(end) => partition.diverging_epoch = end,
            Fetched::Snapshot(id) => partition.snapshot_id = id,
            Fetched::Records => {
                let max_bytes = asked.max_bytes.max(0);
                fill = Fill::Log { offset: asked.offset, max_bytes };
            }
            Fetched::NoRecords => {}
        }
        let mut response = FetchResponse {
            responses: vec![FetchableTopicResponse {
                topic: TOPIC.to_owned(),
                topic_id: TOPIC_ID,
                partitions: vec![partition],
            }],
            ..FetchResponse::default()
        };
        if asked.version >= ENDPOINTS_FROM
            && let Some((node_id, address)) = self.leader_address(&asked.listener)
        {
            response.node_endpoints.push(NodeEndpoint {
                node_id,
                host: address.host,
                port: i32::from(address.port),
                rack: None,
            });
        }
        let response = Response::Fetch(Box::new(response));
        step.act(Action::Answer { handle: asked.handle, response, fill });
    }
}

/// How the log of a replica relates to this one.
fn related(step: &Step<'_>, asked: &ParkedFetch) -> Relation {
    // A new replica starts with the latest snapshot, though the log may begin before it.
    match step.log.latest_snapshot().filter(|snapshot| snapshot.offset > 0) {
        Some(snapshot) if asked.offset == 0 => Relation::BehindSnapshot(snapshot),
        _ if !holds(Rule::FollowersCut) => Relation::Prefix,
        _ => relation(step.log, asked.offset, asked.last_epoch),
    }
}

fn fetched(step: &Step<'_>, asked: &ParkedFetch, related: Relation) -> Fetched {
    match related {
        Relation::BehindSnapshot(id) => {
            Fetched::Snapshot(SnapshotId { end_offset: id.offset, epoch: id.epoch })
        }
        Relation::Diverging(end) => {
            Fetched::Diverging(EpochEndOffset { epoch: end.epoch, end_offset: end.offset })
        }
        Relation::Prefix if asked.offset < step.end.offset => Fetched::Records,
        Relation::Prefix => Fetched::NoRecords,
    }
}

fn only_partition(request: &FetchRequest) -> Option<&FetchPartition> {
    let [topic] = request.topics.as_slice() else { return None };
    let [partition] = topic.partitions.as_slice() else { return None };
    (topic.topic_id == TOPIC_ID && partition.partition == 0).then_some(partition)
}
