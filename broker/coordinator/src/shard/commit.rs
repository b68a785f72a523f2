//! OffsetCommit.

use protocol::ErrorCode;
use uuid::Uuid;

use super::Shard;
use crate::group::{Group, Phase};
use crate::offsets::Committed;
use crate::outcome::{Effects, Outcome};
use crate::record::Record;

/// A commit whose topics and partitions exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitRequest {
    pub group_id: String,
    pub member_id: String,
    pub instance_id: Option<String>,
    /// Negative for a consumer that is no member.
    pub generation: i32,
    /// How long the offsets are kept, where an old client says so.
    pub retention_ms: Option<i64>,
    pub topics: Vec<CommitTopic>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitTopic {
    pub name: String,
    pub id: Uuid,
    pub partitions: Vec<CommitPartition>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitPartition {
    pub index: i32,
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: String,
}

impl Shard {
    /// One code per partition, in the order of the request; or one for the whole of it.
    pub fn commit(
        &mut self,
        now_ms: i64,
        request: &CommitRequest,
    ) -> Outcome<Result<Vec<Vec<ErrorCode>>, ErrorCode>> {
        let mut effects = Effects::default();
        if let Err(error) = self.validate_commit(now_ms, request) {
            return effects.outcome(Err(error));
        }
        let most = self.settings.offset_metadata_max_bytes as usize;
        let mut codes = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut topic_codes = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                if partition.metadata.encode_utf16().count() > most {
                    topic_codes.push(ErrorCode::OffsetMetadataTooLarge);
                    continue;
                }
                topic_codes.push(ErrorCode::None);
                effects.records.push(record(now_ms, request, topic, partition));
            }
            codes.push(topic_codes);
        }
        effects.outcome(Ok(codes))
    }

    fn validate_commit(&mut self, now_ms: i64, request: &CommitRequest) -> Result<(), ErrorCode> {
        let mut effects = Effects::default();
        let Some(mut step) = self.step(&request.group_id, &mut effects, now_ms) else {
            // A lone consumer makes its group by its first commit.
            return match request.generation < 0 {
                true => Ok(()),
                false => Err(ErrorCode::IllegalGeneration),
            };
        };
        let group: &Group = step.group;
        let instance_id = request.instance_id.as_deref();
        group.validate_commit(&request.member_id, instance_id, request.generation)?;
        if matches!(group.phase, Phase::Stable | Phase::Preparing { .. }) {
            step.expect_heartbeat(&request.member_id);
        }
        Ok(())
    }
}

fn record(
    now_ms: i64,
    request: &CommitRequest,
    topic: &CommitTopic,
    partition: &CommitPartition,
) -> Record {
    let committed = Committed {
        offset: partition.offset,
        leader_epoch: partition.leader_epoch,
        metadata: partition.metadata.clone(),
        commit_ms: now_ms,
        expire_ms: request.retention_ms.map(|retention_ms| now_ms.saturating_add(retention_ms)),
        topic_id: topic.id,
    };
    Record::Offset {
        group: request.group_id.clone(),
        topic: topic.name.clone(),
        partition: partition.index,
        value: Some((&committed).into()),
    }
}
