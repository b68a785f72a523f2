//! Random commands, with what has to hold checked after each.

use protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use protocol::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
use protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionRequest, AssignReplicasToDirsRequest,
    ElectLeadersRequest, UnregisterBrokerRequest, assign_replicas_to_dirs_request,
};

use super::*;

const BROKERS: i32 = 4;
const PARTITIONS: i32 = 4;
const SEEDS: u64 = 100;
const STEPS: usize = 250;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn broker(&mut self) -> i32 {
        1 + self.below(BROKERS as u64) as i32
    }

    fn some(&mut self, of: &[i32]) -> Vec<i32> {
        let mut left = of.to_vec();
        let mut chosen = Vec::new();
        while !left.is_empty() && (chosen.is_empty() || !self.one_in(3)) {
            let at = self.below(left.len() as u64) as usize;
            chosen.push(left.remove(at));
        }
        chosen
    }
}

struct Run {
    world: World,
    chance: Chance,
    starts: u128,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let levels: Vec<MetadataVersion> = MetadataVersion::all().collect();
        let level = levels[chance.below(levels.len() as u64) as usize];
        let has_elr = level.has_eligible_leader_replicas() && !chance.one_in(4);
        let mut world = World::new(level, has_elr);
        world.settings.min_insync_replicas = 1 + chance.below(3) as i32;
        if chance.one_in(3) {
            let key = "unclean.leader.election.enable";
            world.set_config(ConfigResource::Broker, "", key, "true");
        }
        for id in 1..=BROKERS {
            world.start_broker(id);
        }
        world.create_topic(&[&[1, 2, 3], &[2, 3], &[3, 4, 1], &[4]]);
        Self { world, chance, starts: 100 }
    }

    fn step(&mut self) {
        match self.chance.below(16) {
            0 => self.register(),
            1..=5 => self.heartbeat(),
            6 => self.pass_time(),
            7 => self.refuse_connection(),
            8..=10 => self.alter_isr(),
            11 => self.reassign(),
            12 => self.elect(),
            13 => self.assign_dir(),
            14 if self.chance.one_in(4) => {
                let request = UnregisterBrokerRequest { broker_id: self.chance.broker() };
                self.world.decide(|view| unregister_broker(view, &request));
            }
            14 => {
                self.world.decide(rebalance_leaders);
            }
            _ => {
                self.world.decide(elect_unclean_leaders);
            }
        }
    }

    fn register(&mut self) {
        let id = self.chance.broker();
        self.starts += 1;
        let mut request = registration(id, self.starts);
        if let Some(broker) = self.world.image.broker(id) {
            match self.chance.below(3) {
                0 => request.previous_broker_epoch = broker.epoch,
                1 => request.incarnation_id = broker.incarnation_id,
                _ => {}
            }
        }
        self.world.register(&request);
    }

    fn heartbeat(&mut self) {
        let id = self.chance.broker();
        let mut request = self.world.beat(id);
        request.want_fence = self.chance.one_in(8);
        request.want_shut_down = self.chance.one_in(8);
        if self.chance.one_in(5) {
            request.current_metadata_offset -= 1 + self.chance.below(9) as i64;
        }
        if self.chance.one_in(20) {
            request.offline_log_dirs = vec![dir(id)];
        }
        self.world.heartbeat(&request);
    }

    fn pass_time(&mut self) {
        self.world.elapsed_ms += self.chance.below(TIMEOUT_MS as u64) as i64;
        self.world.decide(tick);
        if self.chance.one_in(5) {
            self.world.liveness = Liveness::begin(&self.world.image, self.world.elapsed_ms);
        }
    }

    fn refuse_connection(&mut self) {
        let id = self.chance.broker();
        let epoch = self.world.image.broker(id).map_or(-1, |broker| broker.epoch);
        let at = self.world.elapsed_ms - self.chance.below(2) as i64;
        self.world.decide(|view| connection_refused(view, id, epoch, at));
    }

    fn alter_isr(&mut self) {
        let partition_index = self.chance.below(PARTITIONS as u64) as i32;
        let partition = self.world.partition(partition_index).clone();
        let mut members = self.chance.some(&partition.replicas);
        if !members.contains(&partition.leader) && !self.chance.one_in(10) {
            members.push(partition.leader);
        }
        let epoch = |id: i32| self.world.image.broker(id).map_or(-1, |broker| broker.epoch);
        let states =
            members.iter().map(|id| BrokerState { broker_id: *id, broker_epoch: epoch(*id) });
        let data = PartitionData {
            partition_index,
            leader_epoch: partition.leader_epoch,
            new_isr_with_epochs: states.collect(),
            leader_recovery_state: i8::from(self.chance.one_in(6)),
            partition_epoch: partition.partition_epoch,
            ..PartitionData::default()
        };
        let request = AlterPartitionRequest {
            broker_id: partition.leader,
            broker_epoch: epoch(partition.leader),
            topics: vec![TopicData { topic_id: TOPIC, partitions: vec![data] }],
        };
        let answer = self.world.decide(|view| alter_partition(view, &request)).response;
        let Some(answer) = answer.topics.first().map(|topic| &topic.partitions[0]) else {
            return;
        };
        if answer.error_code == ErrorCode::None {
            let told = (answer.leader_id, answer.isr.clone(), answer.leader_epoch);
            let (leader, isr, leader_epoch, partition_epoch) = self.world.state(partition_index);
            assert_eq!(told, (leader, isr, leader_epoch));
            assert_eq!(answer.partition_epoch, partition_epoch);
        }
    }

    fn reassign(&mut self) {
        let all: Vec<i32> = (1..=BROKERS).collect();
        let replicas = (!self.chance.one_in(3)).then(|| self.chance.some(&all));
        let partition_index = self.chance.below(PARTITIONS as u64) as i32;
        let partitions = vec![ReassignablePartition { partition_index, replicas }];
        let topics = vec![ReassignableTopic { name: "t".to_owned(), partitions }];
        let request = AlterPartitionReassignmentsRequest { topics, ..Default::default() };
        self.world.decide(|view| alter_partition_reassignments(view, &request));
    }

    fn elect(&mut self) {
        // By hand only preferred ones: an unclean one needs no leave of the topic.
        let request = ElectLeadersRequest { election_type: 0, ..Default::default() };
        self.world.decide(|view| elect_leaders(view, &request));
    }

    fn assign_dir(&mut self) {
        let broker_id = self.chance.broker();
        let partition_index = self.chance.below(PARTITIONS as u64) as i32;
        let id = if self.chance.one_in(10) { Uuid::from_u128(0xDEAD) } else { dir(broker_id) };
        let partitions = vec![assign_replicas_to_dirs_request::PartitionData { partition_index }];
        let topics =
            vec![assign_replicas_to_dirs_request::TopicData { topic_id: TOPIC, partitions }];
        let request = AssignReplicasToDirsRequest {
            broker_id,
            broker_epoch: self.world.image.broker(broker_id).map_or(-1, |broker| broker.epoch),
            directories: vec![assign_replicas_to_dirs_request::DirectoryData { id, topics }],
        };
        self.world.decide(|view| assign_replicas_to_dirs(view, &request));
    }
}

#[test]
fn what_has_to_hold_holds_after_any_commands_in_any_order() {
    let mut changes = 0;
    for seed in 0..SEEDS {
        let mut run = Run::new(seed);
        for _ in 0..STEPS {
            run.step();
        }
        changes += run.world.image.end_offset();
    }
    assert!(changes > 20 * SEEDS as i64, "the commands changed hardly anything: {changes}");
}

#[test]
fn the_same_commands_give_the_same_cluster() {
    let end = |seed: u64| {
        let mut run = Run::new(seed);
        (0..STEPS).for_each(|_| run.step());
        (run.world.image, run.world.liveness)
    };
    assert_eq!(end(7), end(7));
}
