//! Elections that nobody's coming or going brings about: ElectLeaders, and what the controller
//! looks after from time to time.

use broker_metadata::{Image, PartitionImage, TopicImage};
use protocol::ErrorCode;
use protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

use super::draft::TOO_MANY;
use super::partition_change::{Election, PartitionChange};
use super::{Draft, Outcome, View};

/// Elections in one decision that nobody asked for.
const AT_ONCE: usize = 1_000;

type Refused = (ErrorCode, String);

/// Preferred elections, or unclean ones where there is no leader: of the partitions that are named
/// or, where none are, of all that need it.
pub fn elect_leaders(
    view: &mut View<'_>,
    request: &ElectLeadersRequest,
) -> Outcome<ElectLeadersResponse> {
    let election = match request.election_type {
        0 => Election::Preferred,
        1 => Election::Unclean,
        _ => {
            return Outcome::answer(ElectLeadersResponse {
                error_code: ErrorCode::InvalidRequest,
                ..Default::default()
            });
        }
    };
    let mut draft = Draft::new(view.image, view.settings);
    let results = match &request.topic_partitions {
        Some(topics) => {
            let topics = topics.iter().map(|one| (one.topic.clone(), one.partitions.clone()));
            elect_all(&mut draft, topics, election, |_| true)
        }
        None => {
            let topics = view.image.topics().map(|topic| {
                let count = topic.partitions.len();
                (topic.name.to_string(), (0..).take(count).collect())
            });
            elect_all(&mut draft, topics, election, |code| code != ErrorCode::ElectionNotNeeded)
        }
    };
    if draft.is_too_large() {
        let error_code = ErrorCode::PolicyViolation;
        let response = ElectLeadersResponse { error_code, ..Default::default() };
        return Outcome { notes: vec![TOO_MANY.to_owned()], ..Outcome::answer(response) };
    }
    let response = ElectLeadersResponse { replica_election_results: results, ..Default::default() };
    Outcome { records: draft.finish(), ..Outcome::answer(response) }
}

fn elect_all(
    draft: &mut Draft<'_>,
    topics: impl Iterator<Item = (String, Vec<i32>)>,
    election: Election,
    is_told: impl Fn(ErrorCode) -> bool,
) -> Vec<ReplicaElectionResult> {
    let elected = topics.map(|(topic, partitions)| {
        let results = partitions.into_iter().map(|partition_id| {
            let (error_code, error_message) = match elect(draft, &topic, partition_id, election) {
                Ok(()) => (ErrorCode::None, None),
                Err((code, message)) => (code, Some(message)),
            };
            PartitionResult { partition_id, error_code, error_message }
        });
        let partition_result = results.filter(|result| is_told(result.error_code)).collect();
        ReplicaElectionResult { topic, partition_result }
    });
    elected.collect()
}

fn elect(draft: &mut Draft<'_>, name: &str, index: i32, election: Election) -> Result<(), Refused> {
    let cluster = draft.cluster();
    let unknown = |what: String| (ErrorCode::UnknownTopicOrPartition, what);
    let topic = cluster.image.topic(name);
    let topic = topic.ok_or_else(|| unknown(format!("No such topic as {name}")))?;
    let partition = topic.partition(index);
    let partition =
        partition.ok_or_else(|| unknown(format!("No such partition as {name}-{index}")))?;
    let is_needed = match election {
        Election::Preferred => !has_preferred_leader(partition),
        Election::Online | Election::Unclean => !partition.has_leader(),
    };
    if !is_needed {
        let text = "Leader election not needed for topic partition.";
        return Err((ErrorCode::ElectionNotNeeded, text.to_owned()));
    }
    let change = PartitionChange::new(&cluster, topic, index, partition).election(election);
    let Some(record) = change.build() else {
        let (code, text) = match election {
            Election::Preferred => {
                (ErrorCode::PreferredLeaderNotAvailable, "The preferred leader was not available.")
            }
            Election::Online | Election::Unclean => (
                ErrorCode::EligibleLeadersNotAvailable,
                "Eligible topic partition leaders are not available.",
            ),
        };
        return Err((code, text.to_owned()));
    };
    draft.push(record);
    Ok(())
}

fn has_preferred_leader(partition: &PartitionImage) -> bool {
    partition.replicas.first() == Some(&partition.leader)
}

/// Gives partitions back to their preferred leaders, a thousand at most. To be called each
/// `leader.imbalance.check.interval.seconds` where `auto.leader.rebalance.enable` is on, and again
/// soon as long as there are records.
pub fn rebalance_leaders(view: &mut View<'_>) -> Outcome<()> {
    elect_where(view, Election::Preferred, |_, partition| !has_preferred_leader(partition))
}

/// Elects leaders that may lack records, where their topics allow it and nobody else leads; a
/// thousand at most. To be called each `unclean.leader.election.interval.ms`, when it is allowed
/// for a topic, and again soon as long as there are records.
pub fn elect_unclean_leaders(view: &mut View<'_>) -> Outcome<()> {
    let cluster = view.cluster();
    elect_where(view, Election::Unclean, |topic, partition| {
        !partition.has_leader() && cluster.allows_unclean_leaders(topic)
    })
}

fn elect_where(
    view: &View<'_>,
    election: Election,
    is_wanted: impl Fn(&TopicImage, &PartitionImage) -> bool,
) -> Outcome<()> {
    let mut draft = Draft::new(view.image, view.settings);
    for (topic, index) in wanted(view.image, is_wanted) {
        // Where nobody can be elected, it is tried again the next time.
        let _ = elect(&mut draft, &topic.name, index, election);
        if draft.len() >= AT_ONCE {
            break;
        }
    }
    Outcome { records: draft.finish(), ..Outcome::answer(()) }
}

fn wanted(
    image: &Image,
    is_wanted: impl Fn(&TopicImage, &PartitionImage) -> bool,
) -> impl Iterator<Item = (&TopicImage, i32)> {
    image.topics().flat_map(move |topic| {
        let partitions = (0..).zip(topic.partitions.iter());
        let chosen = partitions.filter(|(_, partition)| is_wanted(topic, partition));
        let indexes: Vec<i32> = chosen.map(|(index, _)| index).collect();
        indexes.into_iter().map(move |index| (&**topic, index))
    })
}
