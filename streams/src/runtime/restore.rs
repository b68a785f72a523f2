//! Bringing a task to where it was: local state, what the changelog has beyond it, positions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::broker::{Broker, BrokerError, OffsetAt, Offsets, TopicPartition};
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
    /// Where the task's commits go; `None` where positions are committed to the group alone.
    pub(crate) changelog: Option<TopicPartition>,
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
    let mut positions = known_positions(&inputs, checkpoint.as_ref());
    let group_is_behind = !positions.is_empty();
    if checkpoint.is_none() && changelog.is_none() && !transient {
        let wanted: Vec<TopicPartition> = inputs.iter().flatten().cloned().collect();
        let committed = broker.committed(&layout.application_id, &wanted).await?;
        positions.extend(committed.into_iter().map(|(input, offset)| (input, (offset, None))));
    }
    let mut warnings = Vec::new();
    let group = group(sources, &task, &inputs, &positions, &mut warnings).await?;
    Ok(Restored { engine, group, inputs, changelog, group_is_behind, warnings })
}

type Positions = HashMap<TopicPartition, (i64, Option<i64>)>;

fn known_positions(
    inputs: &[Option<TopicPartition>],
    checkpoint: Option<&Checkpoint>,
) -> Positions {
    let mut positions = HashMap::new();
    for saved in checkpoint.iter().flat_map(|checkpoint| &checkpoint.inputs) {
        let input = TopicPartition::new(saved.topic.as_str(), saved.partition);
        if inputs.iter().flatten().any(|known| *known == input) {
            positions.insert(input, (saved.offset, saved.read_first_until));
        }
    }
    positions
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
async fn replay(
    sources: &Sources<'_>,
    task: &TaskId,
    changelog: &TopicPartition,
) -> Result<Vec<(u16, bytes::Bytes)>, AppError> {
    let Sources { broker, backend, metrics, workers, .. } = *sources;
    let failed = |message| AppError::Task { task: task.to_string(), message };
    let partition = std::slice::from_ref(changelog);
    let beginning = offset_of(&broker.offsets(partition, OffsetAt::Beginning).await?, changelog)?;
    let end = offset_of(&broker.offsets(partition, OffsetAt::End).await?, changelog)?;
    let local = local_checkpoint(backend, task)?.and_then(|checkpoint| checkpoint.changelog);
    let from = match local {
        Some(offset) if (beginning..=end).contains(&offset) => offset,
        _ => {
            let (backend, task) = (Arc::clone(backend), task.clone());
            let wiped = workers.run(move || wipe(backend.as_ref(), &task)).await;
            wiped.map_err(failed)??;
            beginning
        }
    };
    let mut replay = Replay::new(task.clone());
    if from >= end {
        return Ok(replay.finish());
    }
    let mut reader = broker.reader(&HashMap::from([(changelog.clone(), from)])).await?;
    let mut position = from;
    while position < end {
        for fetched in reader.poll(POLL).await? {
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
    Ok(replay.finish())
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
