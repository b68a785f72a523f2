//! Bringing a task to where it was: local state, what the changelog has beyond it, positions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::broker::{Broker, BrokerError, Fetched, GroupOffset, OffsetAt, Offsets, TopicPartition};
use super::engine::Engine;
use super::error::AppError;
use super::partition_group::{Input, PartitionGroup};
use super::setup::Layout;
use super::workers::Workers;
use crate::metrics::Metrics;
use crate::operator::TaskId;
use crate::state::{
    Checkpoint, KeyRange, Replay, StateBackend, StateError, TaskSpace, checkpoint_key,
};
use crate::topology::{NodeKind, SourceRole, StartFrom, Topology};

const POLL: Duration = Duration::from_millis(200);

/// What a task is restored from.
pub(crate) struct Sources<'a> {
    pub(crate) topology: &'a Arc<Topology>,
    pub(crate) layout: &'a Layout,
    pub(crate) broker: &'a Arc<dyn Broker>,
    pub(crate) backend: &'a Arc<dyn StateBackend>,
    pub(crate) metrics: &'a Arc<Metrics>,
    pub(crate) workers: &'a Workers,
    pub(crate) transient: bool,
}

/// A task ready to run.
pub(crate) struct Restored {
    pub(crate) engine: Engine,
    pub(crate) group: PartitionGroup,
    pub(crate) inputs: Vec<Option<TopicPartition>>,
    /// The ids of the topics of `inputs`.
    pub(crate) input_ids: Vec<Option<String>>,
    /// Where the task's commits go; `None` where positions are committed to the group alone.
    pub(crate) changelog: Option<TopicPartition>,
    pub(crate) changelog_id: Option<String>,
    /// Whether the last run may have ended after a commit and before the group was told of it.
    pub(crate) group_is_behind: bool,
    /// Sentences about positions that had to be moved.
    pub(crate) warnings: Vec<String>,
}

/// Builds a task's engine and restores its state and positions.
pub(crate) async fn restore(sources: &Sources<'_>, task: TaskId) -> Result<Restored, AppError> {
    let Sources { topology, layout, broker, backend, metrics, transient, .. } = *sources;
    let subtopology = &topology.subtopologies[usize::from(task.subtopology)];
    let logged = topology.is_logged(subtopology);
    let changelog = layout
        .changelog
        .as_ref()
        .filter(|_| logged)
        .map(|topic| TopicPartition::new(Arc::clone(topic), task.partition));
    let dropped = match &changelog {
        Some(changelog) => replay(sources, &task, changelog).await?,
        None => Vec::new(),
    };
    let mut engine = Engine::new(topology, task.clone(), backend, metrics)
        .map_err(|error| AppError::task(&task, error))?;
    let checkpoint = if transient { None } else { local_checkpoint(backend, &task)? };
    if let Some(checkpoint) = &checkpoint {
        engine.restore(checkpoint).map_err(|error| AppError::task(&task, error))?;
    }
    for (store, key) in dropped {
        engine.stores_mut().rewrite(store, &key)?;
    }
    let inputs = layout.inputs(topology, &task);
    let mut warnings = Vec::new();
    let mut positions = known_positions(layout, &inputs, checkpoint.as_ref())?;
    let group_is_behind = !positions.is_empty();
    if checkpoint.is_none() && changelog.is_none() && !transient {
        let wanted: Vec<TopicPartition> = inputs.iter().flatten().cloned().collect();
        let committed = broker.committed(&layout.application_id, &wanted).await?;
        for (input, GroupOffset { offset, topic_id }) in committed {
            match layout.check_id(&input.topic, topic_id.as_deref()) {
                Ok(()) => {
                    positions.insert(input, (offset, None));
                }
                // There is no state that would not fit it: it is read like any new topic.
                Err(error) => warnings.push(format!("{error}; it is read from where it starts")),
            }
        }
    }
    let group = group(sources, &task, &inputs, &positions, &mut warnings).await?;
    let id = |topic: &str| layout.id(topic).map(str::to_owned);
    let input_id = |input: &Option<TopicPartition>| id(&input.as_ref()?.topic);
    Ok(Restored {
        input_ids: inputs.iter().map(input_id).collect(),
        changelog_id: changelog.as_ref().and_then(|changelog| id(&changelog.topic)),
        engine,
        group,
        inputs,
        changelog,
        group_is_behind,
        warnings,
    })
}

type Positions = HashMap<TopicPartition, (i64, Option<i64>)>;

fn known_positions(
    layout: &Layout,
    inputs: &[Option<TopicPartition>],
    checkpoint: Option<&Checkpoint>,
) -> Result<Positions, AppError> {
    let mut positions = HashMap::new();
    for saved in checkpoint.iter().flat_map(|checkpoint| &checkpoint.inputs) {
        let input = TopicPartition::new(saved.topic.as_str(), saved.partition);
        if inputs.iter().flatten().any(|known| *known == input) {
            layout.check_id(&saved.topic, saved.topic_id.as_deref())?;
            positions.insert(input, (saved.offset, saved.read_first_until));
        }
    }
    Ok(positions)
}

/// Gives each input its position, by what is known or by where its source is to start.
async fn group(
    sources: &Sources<'_>,
    task: &TaskId,
    inputs: &[Option<TopicPartition>],
    positions: &Positions,
    warnings: &mut Vec<String>,
) -> Result<PartitionGroup, AppError> {
    let Sources { topology, broker, .. } = *sources;
    let wanted: Vec<TopicPartition> = inputs.iter().flatten().cloned().collect();
    let beginnings = broker.offsets(&wanted, OffsetAt::Beginning).await?;
    let ends = broker.offsets(&wanted, OffsetAt::End).await?;
    let nodes = &topology.subtopologies[usize::from(task.subtopology)].sources;
    let mut group = Vec::with_capacity(inputs.len());
    for (input, &node) in inputs.iter().zip(nodes) {
        let (role, start) = match &topology.nodes[node].kind {
            NodeKind::Source(spec) => (spec.role, spec.start),
            _ => (SourceRole::Stream, StartFrom::Earliest),
        };
        let is_table = role != SourceRole::Stream;
        let Some(input) = input else {
            group.push(Input::new(is_table, 0, 0, None));
            continue;
        };
        let (beginning, end) = (offset_of(&beginnings, input)?, offset_of(&ends, input)?);
        let first = match start {
            StartFrom::Earliest => beginning,
            StartFrom::Latest => end,
        };
        group.push(match positions.get(input) {
            Some((position, until)) if (beginning..=end).contains(position) => {
                Input::new(is_table, *position, end, *until)
            }
            Some((position, until)) => {
                warnings.push(format!(
                    "position {position} in {input} is outside {beginning}..={end}: its records \
                     are gone; going on at {beginning}"
                ));
                Input::new(is_table, beginning, end, *until)
            }
            None => {
                let until = (role == SourceRole::TableReadFirst).then_some(end);
                Input::new(is_table, first, end, until)
            }
        });
    }
    Ok(PartitionGroup::new(group))
}

fn offset_of(offsets: &Offsets, input: &TopicPartition) -> Result<i64, BrokerError> {
    offsets.get(input).copied().ok_or_else(|| BrokerError {
        action: format!("cannot find the offsets of {input}"),
        message: "the cluster did not name them".to_owned(),
        retriable: true,
    })
}

fn local_checkpoint(
    backend: &Arc<dyn StateBackend>,
    task: &TaskId,
) -> Result<Option<Checkpoint>, StateError> {
    let stored = backend.get(&checkpoint_key(&TaskSpace::new(task)))?;
    stored.map(|bytes| Checkpoint::from_bytes(task, &bytes)).transpose()
}

/// Applies what the changelog has beyond the local state; gives entries that were never
/// committed.
///
/// Local state is trusted only if every record of the changelog behind it is still there. Where
/// one is missing the log was compacted meanwhile, and what is missing may be the deletion of a
/// key that the local state still has: then all of it is restored from the beginning, where a key
/// that was deleted is not to be found.
async fn replay(
    sources: &Sources<'_>,
    task: &TaskId,
    changelog: &TopicPartition,
) -> Result<Vec<(u16, bytes::Bytes)>, AppError> {
    let Sources { broker, backend, layout, .. } = *sources;
    let partition = std::slice::from_ref(changelog);
    let beginning = offset_of(&broker.offsets(partition, OffsetAt::Beginning).await?, changelog)?;
    let end = offset_of(&broker.offsets(partition, OffsetAt::End).await?, changelog)?;
    let id = layout.id(&changelog.topic).map(str::to_owned);
    if let Some(local) = local_checkpoint(backend, task)?
        && let Some(from) = local.changelog.filter(|from| (beginning..=end).contains(from))
        && (local.changelog_id.is_none() || id.is_none() || local.changelog_id == id)
    {
        let reading = Reading { changelog, id: id.clone(), from, end, must_be_whole: true };
        match reading.apply(sources, task).await? {
            Some(dropped) => return Ok(dropped),
            None => tracing::info!(
                %task, changelog = %changelog.topic, from,
                "the changelog was compacted behind the local state; all of it is restored"
            ),
        }
    }
    let (backend, owner) = (Arc::clone(backend), task.clone());
    let wiped = sources.workers.run(move || wipe(backend.as_ref(), &owner)).await;
    wiped.map_err(|message| AppError::Task { task: task.to_string(), message })??;
    let reading = Reading { changelog, id, from: beginning, end, must_be_whole: false };
    Ok(reading.apply(sources, task).await?.unwrap_or_default())
}

/// A stretch of a changelog to be applied.
struct Reading<'a> {
    changelog: &'a TopicPartition,
    id: Option<String>,
    from: i64,
    end: i64,
    /// Whether a missing offset is a reason to stop.
    must_be_whole: bool,
}

impl Reading<'_> {
    /// Applies it, and gives the entries that were never committed; none where a record that had
    /// to be there was missing.
    async fn apply(
        self,
        sources: &Sources<'_>,
        task: &TaskId,
    ) -> Result<Option<Vec<(u16, bytes::Bytes)>>, AppError> {
        let Sources { broker, backend, metrics, workers, .. } = *sources;
        let failed = |message| AppError::Task { task: task.to_string(), message };
        let (end, mut position) = (self.end, self.from);
        let mut replay = Replay::new(task.clone(), self.id);
        if position >= end {
            return Ok(Some(replay.finish()));
        }
        let start = HashMap::from([(self.changelog.clone(), position)]);
        let mut reader = broker.reader(&start).await?;
        while position < end {
            for fetched in reader.poll(POLL).await? {
                if self.must_be_whole && !is_whole(&fetched, position, end) {
                    reader.close().await;
                    return Ok(None);
                }
                position = fetched.next_offset;
                let backend = Arc::clone(backend);
                let metrics = Arc::clone(metrics);
                let applied = workers.run(move || -> Result<Replay, StateError> {
                    for record in fetched.records.iter().filter(|record| record.offset < end) {
                        if let Some(writes) = replay.take(record)? {
                            metrics.add_restored(writes.len());
                            backend.write(&writes)?;
                        }
                    }
                    Ok(replay)
                });
                replay = applied.await.map_err(failed)??;
            }
        }
        reader.close().await;
        Ok(Some(replay.finish()))
    }
}

/// Whether every offset from `position` up to what was fetched, or to `end`, has its record.
fn is_whole(fetched: &Fetched, position: i64, end: i64) -> bool {
    let mut next = position;
    for record in fetched.records.iter().filter(|record| record.offset < end) {
        if record.offset != next {
            return false;
        }
        next += 1;
    }
    next >= fetched.next_offset.min(end)
}

/// Removes all that a backend has of a task.
fn wipe(backend: &dyn StateBackend, task: &TaskId) -> Result<(), StateError> {
    let range = KeyRange::prefix(TaskSpace::new(task).prefix());
    loop {
        let entries = backend.range(&range).take(10_000);
        let writes = entries
            .map(|entry| Ok((entry?.0.to_vec(), None)))
            .collect::<Result<Vec<_>, StateError>>()?;
        if writes.is_empty() {
            return Ok(());
        }
        backend.write(&writes)?;
    }
}
