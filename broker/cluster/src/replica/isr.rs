//! The in-sync replicas: what the controller has confirmed, and what was asked of it.

use protocol::messages::alter_partition_request::{BrokerState, PartitionData};

use super::Brokers;
use super::progress::FollowerProgress;
use super::rules::{Rule, holds};

/// Kafka's number for a leader that has all that its election may have left uncertain.
const RECOVERED: i8 = 0;

/// A member of an ISR that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsrMember {
    pub broker: i32,
    /// The epoch under which the broker fetches; -1: not known.
    pub broker_epoch: i64,
}

/// A change that is asked of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterIsr {
    /// Names the change in its answer. A change that is asked for again keeps its number.
    pub proposal: u64,
    pub leader_epoch: i32,
    /// The partition epoch on which the change was decided.
    pub partition_epoch: i32,
    pub isr: Vec<IsrMember>,
}

impl AlterIsr {
    /// The partition's part of an AlterPartition request in `version`.
    pub fn to_wire(&self, partition: i32, version: i16) -> PartitionData {
        let with_epochs = version >= 3;
        let states = self.isr.iter().map(|member| BrokerState {
            broker_id: member.broker,
            broker_epoch: member.broker_epoch,
        });
        let ids = self.isr.iter().map(|member| member.broker);
        PartitionData {
            partition_index: partition,
            leader_epoch: self.leader_epoch,
            new_isr: if with_epochs { Vec::new() } else { ids.collect() },
            new_isr_with_epochs: if with_epochs { states.collect() } else { Vec::new() },
            leader_recovery_state: RECOVERED,
            partition_epoch: self.partition_epoch,
        }
    }
}

/// What the controller answers when it made a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrAnswer {
    pub leader_epoch: i32,
    pub partition_epoch: i32,
    pub isr: Vec<i32>,
}

/// The change that is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) request: AlterIsr,
    /// When to ask again; `None` while the answer is awaited, or when only a new image can tell
    /// what became of it.
    pub(super) retry_at_ms: Option<i64>,
}

/// The members that are confirmed, and the change that is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isr {
    committed: Vec<i32>,
    pub(super) pending: Option<Pending>,
}

impl Isr {
    pub(super) fn new(committed: &[i32]) -> Self {
        Self { committed: committed.to_vec(), pending: None }
    }

    /// What the controller has confirmed: `min.insync.replicas` counts these.
    pub fn committed(&self) -> &[i32] {
        &self.committed
    }

    /// What was asked of the controller and not answered.
    pub fn pending(&self) -> Option<&AlterIsr> {
        self.pending.as_ref().map(|pending| &pending.request)
    }

    /// Whether a broker may be a member, as far as this leader can know: the high watermark waits
    /// for all of these.
    pub fn may_have(&self, broker: i32) -> bool {
        self.committed.contains(&broker) || self.asks_for(broker)
    }

    /// The confirmed members and those asked for.
    pub fn maximal(&self) -> impl Iterator<Item = i32> + '_ {
        let asked = self.pending.iter().flat_map(|pending| &pending.request.isr);
        let asked = asked.map(|member| member.broker).filter(|id| !self.committed.contains(id));
        let asked = asked.filter(|_| holds(Rule::MaximalIsrHolds));
        self.committed.iter().copied().chain(asked)
    }

    fn asks_for(&self, broker: i32) -> bool {
        let pending = self.pending.as_ref().filter(|_| holds(Rule::MaximalIsrHolds));
        pending.is_some_and(|pending| pending.request.isr.iter().any(|it| it.broker == broker))
    }

    /// Takes in what the controller has decided; whatever was asked for is settled by it.
    pub(super) fn commit(&mut self, members: &[i32]) {
        self.committed = members.to_vec();
        self.pending = None;
    }
}

/// Whether the controller would take a follower in: it is alive, stays, and fetches under the
/// epoch in which it is registered (KIP-841, KIP-903).
pub(super) fn is_eligible(broker: i32, progress: &FollowerProgress, brokers: &dyn Brokers) -> bool {
    let Some(standing) = brokers.standing(broker) else { return false };
    let Some(fetches_as) = progress.broker_epoch() else { return false };
    let same_life =
        fetches_as == -1 || fetches_as == standing.epoch || !holds(Rule::BrokerEpochFences);
    !standing.fenced && !standing.in_controlled_shutdown && same_life
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> AlterIsr {
        let member = |broker, broker_epoch| IsrMember { broker, broker_epoch };
        let isr = vec![member(1, 10), member(3, -1)];
        AlterIsr { proposal: 4, leader_epoch: 5, partition_epoch: 6, isr }
    }

    #[test]
    fn the_maximal_isr_has_the_confirmed_members_and_those_asked_for() {
        let mut isr = Isr::new(&[1, 2]);
        assert_eq!(isr.maximal().collect::<Vec<_>>(), [1, 2]);
        isr.pending = Some(Pending { request: request(), retry_at_ms: None });
        assert_eq!(isr.maximal().collect::<Vec<_>>(), [1, 2, 3]);
        let may_have: Vec<_> = (1..=4).filter(|id| isr.may_have(*id)).collect();
        assert_eq!((may_have, isr.committed()), (vec![1, 2, 3], &[1, 2][..]));
        isr.commit(&[1, 3]);
        assert_eq!((isr.maximal().collect::<Vec<_>>(), isr.pending()), (vec![1, 3], None));
    }

    #[test]
    fn broker_epochs_are_in_the_request_from_version_three_on() {
        let old = request().to_wire(9, 2);
        assert_eq!((old.new_isr, old.new_isr_with_epochs), (vec![1, 3], Vec::new()));
        let new = request().to_wire(9, 3);
        let states = [(1, 10), (3, -1)];
        let states =
            states.map(|(broker_id, broker_epoch)| BrokerState { broker_id, broker_epoch });
        let expected = PartitionData {
            partition_index: 9,
            leader_epoch: 5,
            new_isr: Vec::new(),
            new_isr_with_epochs: states.to_vec(),
            leader_recovery_state: 0,
            partition_epoch: 6,
        };
        assert_eq!(new, expected);
    }
}
