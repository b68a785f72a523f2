//! OffsetCommit.

use std::sync::Arc;

use protocol::ErrorCode;
use uuid::Uuid;

use super::Shard;
use crate::Now;
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
        now: Now,
        request: &CommitRequest,
    ) -> Outcome<Result<Vec<Vec<ErrorCode>>, ErrorCode>> {
        let mut effects = Effects::default();
        if let Err(error) = self.validate_commit(now, request) {
            return effects.outcome(Err(error));
        }
        let group: Arc<str> = request.group_id.as_str().into();
        let most = self.settings.offset_metadata_max_bytes as usize;
        let mut codes = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let name: Arc<str> = topic.name.as_str().into();
            let mut topic_codes = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                if partition.metadata.encode_utf16().count() > most {
                    topic_codes.push(ErrorCode::OffsetMetadataTooLarge);
                    continue;
                }
                topic_codes.push(ErrorCode::None);
                let committed = committed(now, request, topic.id, partition);
                effects.records.push(Record::Offset {
                    group: group.clone(),
                    topic: name.clone(),
                    partition: partition.index,
                    value: Some((&committed).into()),
                });
            }
            codes.push(topic_codes);
        }
        effects.outcome(Ok(codes))
    }

    fn validate_commit(&mut self, now: Now, request: &CommitRequest) -> Result<(), ErrorCode> {
        let mut effects = Effects::default();
        let Some(mut step) = self.step(&request.group_id, &mut effects, now) else {
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

fn committed(
    now: Now,
    request: &CommitRequest,
    topic_id: Uuid,
    partition: &CommitPartition,
) -> Committed {
    let now_ms = now.timestamp_ms;
    Committed {
        offset: partition.offset,
        leader_epoch: partition.leader_epoch,
        metadata: partition.metadata.clone(),
        commit_ms: now_ms,
        expire_ms: request.retention_ms.map(|retention_ms| now_ms.saturating_add(retention_ms)),
        topic_id,
    }
}
