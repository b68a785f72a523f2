//! Fetches, as a follower sends them and takes in what it gets.

use bytes::Bytes;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use protocol::messages::fetch_response::PartitionData;
use protocol::messages::{FetchRequest, FetchResponse};
use protocol::record::{BatchError, RecordBatch, Records, batches};

use super::answers::{TOPIC, TOPIC_ID, known_leader};
use super::responses::{Said, Verdict};
use super::{Raft, Step};
use crate::role::{Download, Role};
use crate::rules::{Rule, holds};
use crate::{Action, Fault, OffsetAndEpoch};

impl Raft {
    /// Whether all that a fetch would acknowledge is synced.
    pub(super) fn may_fetch(&self, step: &Step<'_>) -> bool {
        let acknowledges = self.config.can_become_voter || self.is_voter();
        !acknowledges || step.synced >= step.end.offset || !holds(Rule::SyncedBeforeFetched)
    }

    pub(super) fn fetch_request(&self, step: &Step<'_>) -> FetchRequest {
        let me = self.config.key();
        FetchRequest {
            cluster_id: Some(self.config.cluster_id.clone()),
            replica_state: ReplicaState { replica_id: me.id, ..ReplicaState::default() },
            max_wait_ms: self.config.fetch_max_wait_ms,
            max_bytes: self.config.fetch_max_bytes,
            topics: vec![FetchTopic {
                topic: TOPIC.to_owned(),
                topic_id: TOPIC_ID,
                partitions: vec![FetchPartition {
                    partition: 0,
                    current_leader_epoch: self.epoch,
                    fetch_offset: step.end.offset,
                    last_fetched_epoch: step.end.epoch,
                    replica_directory_id: me.directory_or_nil(),
                    high_watermark: self.committed.unwrap_or(-1),
                    ..FetchPartition::default()
                }],
            }],
            ..FetchRequest::default()
        }
    }

    pub(super) fn fetch_answered(
        &mut self,
        step: &mut Step<'_>,
        from: i32,
        response: &FetchResponse,
    ) -> bool {
        if response.error_code.is_error() {
            return self.refused(step, from, "Fetch", response.error_code);
        }
        let Some(said) = only_partition(response) else { return false };
        let leader = known_leader(said.current_leader.leader_id);
        let named = response.node_endpoints.iter();
        let named = named.map(|node| (node.node_id, node.host.as_str(), node.port));
        let endpoints = self.named_endpoints(leader, named);
        let (error, epoch) = (said.error_code, said.current_leader.leader_epoch);
        match self.take_in(step, Said { error, leader, epoch, endpoints }) {
            Verdict::Handled(handled) => return handled,
            Verdict::GoOn if error.is_error() => return self.refused(step, from, "Fetch", error),
            Verdict::GoOn => {}
        }
        let Role::Follower(follower) = &self.role else { return false };
        // Whoever answers without an error leads.
        if leader != Some(follower.leader) {
            return false;
        }
        let handled = if said.diverging_epoch.epoch >= 0 {
            let end = &said.diverging_epoch;
            self.cut(step, OffsetAndEpoch { epoch: end.epoch, offset: end.end_offset })
        } else if said.snapshot_id.epoch >= 0 || said.snapshot_id.end_offset >= 0 {
            let id = &said.snapshot_id;
            self.begin_download(step, OffsetAndEpoch { epoch: id.epoch, offset: id.end_offset })
        } else {
            self.append_fetched(step, said)
        };
        if handled {
            self.heard_of_leader(step);
        }
        handled
    }

    pub(super) fn heard_of_leader(&mut self, step: &Step<'_>) {
        let timeout = self.config.fetch_timeout_ms.max(1);
        if let Role::Follower(follower) = &mut self.role {
            follower.fetch_until = step.ms() + timeout;
            follower.has_fetched = true;
            follower.is_cut_off = false;
        }
    }

    /// Cuts what the leader does not have: its log may agree with this one up to `theirs`.
    fn cut(&mut self, step: &mut Step<'_>, theirs: OffsetAndEpoch) -> bool {
        let offset = if theirs.epoch == 0 {
            theirs.offset.min(step.end.offset)
        } else {
            let mine = self.end_for_epoch(step, theirs.epoch);
            if mine.epoch == theirs.epoch { mine.offset.min(theirs.offset) } else { mine.offset }
        };
        let committed = self.committed.unwrap_or(0).max(step.log.start_offset());
        if offset < committed {
            let epoch = self.epoch;
            step.act(Action::Fault(Fault::TruncationOfCommitted { epoch, offset, committed }));
            return false;
        }
        if offset < step.end.offset {
            step.truncate(offset);
            self.history.truncate(offset);
        }
        true
    }

    /// Appends what can be appended of the records of a response.
    fn append_fetched(&mut self, step: &mut Step<'_>, said: &PartitionData) -> bool {
        let empty = Bytes::new();
        let bytes = match &said.records {
            Some(Records::Bytes(bytes)) => bytes,
            _ => &empty,
        };
        let base_offset = step.end.offset;
        let mut taken = 0;
        for batch in batches(bytes) {
            match self.accept(step.end, batch) {
                Ok(Some(batch)) => {
                    taken += batch.bytes().len();
                    step.end =
                        OffsetAndEpoch { offset: batch.next_offset(), epoch: batch.leader_epoch };
                }
                Ok(None) => break,
                Err(reason) => {
                    let offset = step.end.offset;
                    step.act(Action::Fault(Fault::BadRecords { offset, reason }));
                    break;
                }
            }
        }
        if taken > 0 {
            let end_offset = step.end.offset;
            let batches = bytes.slice(..taken);
            step.act(Action::AppendFetched { batches, base_offset, end_offset });
        } else if !bytes.is_empty() {
            return false;
        }
        if said.high_watermark >= 0 {
            self.commit(step, said.high_watermark.min(step.end.offset));
        }
        true
    }

    /// A batch that continues the log, or none where the bytes end within it.
    fn accept(
        &mut self,
        end: OffsetAndEpoch,
        batch: Result<RecordBatch, BatchError>,
    ) -> Result<Option<RecordBatch>, String> {
        let batch = match batch {
            Ok(batch) => batch,
            Err(BatchError::Truncated { .. }) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        batch.check_crc().map_err(|error| error.to_string())?;
        let (base, epoch) = (batch.base_offset, batch.leader_epoch);
        if base != end.offset || batch.last_offset_delta < 0 {
            return Err(format!("the batch has offset {base}"));
        }
        if epoch < end.epoch || epoch > self.epoch {
            let (last, leads) = (end.epoch, self.epoch);
            return Err(format!("it has epoch {epoch} after {last}, while {leads} lasts"));
        }
        self.history.read(&batch).map_err(|error| error.to_string())?;
        Ok(Some(batch))
    }

    /// Turns to a snapshot, as the leader has nothing older.
    fn begin_download(&mut self, step: &mut Step<'_>, id: OffsetAndEpoch) -> bool {
        let is_new = id.offset > step.end.offset || id.epoch > step.end.epoch;
        let Role::Follower(follower) = &mut self.role else { return false };
        if id.epoch < 0 || id.offset < 0 || !is_new {
            return false;
        }
        let installing = step.log.snapshot_size(id).is_some();
        follower.download = Some(Download { id, position: 0, installing });
        let action = match installing {
            true => Action::InstallSnapshot { id },
            false => Action::BeginSnapshot { id },
        };
        step.act(action);
        true
    }
}

fn only_partition(response: &FetchResponse) -> Option<&PartitionData> {
    let [topic] = response.responses.as_slice() else { return None };
    let [partition] = topic.partitions.as_slice() else { return None };
    (topic.topic_id == TOPIC_ID && partition.partition_index == 0).then_some(partition)
}
