//! Several nodes that are one cluster, in one process: they elect, replicate, and go on without one
//! of them.

use std::net::TcpListener;
use std::path::Path;

use broker_server::Broker;
use protocol::ErrorCode;
use protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::metadata_response::MetadataResponsePartition;
use protocol::messages::{
    DescribeClusterRequest, DescribeQuorumRequest, InitProducerIdRequest, MetadataRequest,
};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::{Wire, batch, config_in, records_of};

/// Nodes with the ids from 1 on.
struct Three {
    nodes: Vec<Option<Broker>>,
    dirs: Vec<TempDir>,
    ports: Vec<(u16, u16)>,
    /// `process.roles` of each.
    roles: Vec<&'static str>,
}

const BOTH: &str = "broker,controller";

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|socket| socket.local_addr().unwrap().port()).collect()
}

impl Three {
    async fn start(roles: &[&'static str]) -> Self {
        let count = roles.len();
        let ports = free_ports(2 * count);
        let ports: Vec<(u16, u16)> = ports.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let dirs: Vec<TempDir> = roles.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        let mut three = Self { nodes: Vec::new(), dirs, ports, roles: roles.to_vec() };
        let starting = (0..count).map(|index| three.starting(index));
        let started = futures::future::join_all(starting).await;
        three.nodes = started.into_iter().map(Some).collect();
        three
    }

    async fn starting(&self, index: usize) -> Broker {
        let id = index + 1;
        let voters: Vec<String> = (0..self.roles.len())
            .filter(|voter| self.roles[*voter].contains("controller"))
            .map(|voter| format!("{}@127.0.0.1:{}", voter + 1, self.ports[voter].1))
            .collect();
        let (clients, controllers) = self.ports[index];
        let role = self.roles[index];
        let listeners = [
            ("broker", format!("PLAINTEXT://127.0.0.1:{clients}")),
            ("controller", format!("CONTROLLER://127.0.0.1:{controllers}")),
        ];
        let listeners = listeners.iter().filter(|(of, _)| role.contains(of));
        let listeners: Vec<&str> = listeners.map(|(_, listener)| listener.as_str()).collect();
        let path: &Path = self.dirs[index].path();
        let config = config_in(
            path,
            &[
                ("node.id", &id.to_string()),
                ("process.roles", role),
                ("controller.quorum.voters", &voters.join(",")),
                ("controller.listener.names", "CONTROLLER"),
                ("listeners", &listeners.join(",")),
                ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
                ("inter.broker.listener.name", "PLAINTEXT"),
                ("controller.quorum.election.timeout.ms", "300"),
                ("controller.quorum.fetch.timeout.ms", "600"),
                ("controller.quorum.election.backoff.max.ms", "200"),
                ("broker.session.timeout.ms", "1500"),
                ("broker.heartbeat.interval.ms", "200"),
                ("replica.fetch.backoff.ms", "100"),
                ("replica.lag.time.max.ms", "2000"),
                ("min.insync.replicas", "2"),
            ],
        );
        Broker::start(config).await.unwrap()
    }

    async fn wire(&self, index: usize) -> Wire {
        Wire::new(TcpStream::connect(("127.0.0.1", self.ports[index].0)).await.unwrap())
    }

    async fn stop(&mut self, index: usize) {
        if let Some(node) = self.nodes[index].take() {
            node.shutdown().await.unwrap();
        }
    }

    async fn again(&mut self, index: usize) {
        let started = self.starting(index).await;
        self.nodes[index] = Some(started);
    }

    async fn partition(&self, index: usize, topic: &str) -> Option<MetadataResponsePartition> {
        let named = MetadataRequestTopic { name: Some(topic.to_owned()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![named]), ..Default::default() };
        let answer = self.wire(index).await.call(12, &request).await;
        answer.topics.into_iter().next()?.partitions.into_iter().next()
    }

    /// Waits until a node says of the first partition of a topic what is asked.
    async fn until(
        &self,
        index: usize,
        topic: &str,
        is_so: impl Fn(&MetadataResponsePartition) -> bool,
    ) -> MetadataResponsePartition {
        loop {
            if let Some(partition) = self.partition(index, topic).await
                && is_so(&partition)
            {
                return partition;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until a node says of a partition what is asked, and its leader knows of it too: until
    /// then a leader refuses its producers, for the nodes learn of a change one after the other.
    async fn led(
        &self,
        index: usize,
        topic: &str,
        is_so: impl Fn(&MetadataResponsePartition) -> bool,
    ) -> (MetadataResponsePartition, usize) {
        let known = self.until(index, topic, |one| one.leader_id > 0 && is_so(one)).await;
        let leader = usize::try_from(known.leader_id).unwrap() - 1;
        self.until(leader, topic, |own| own.leader_epoch >= known.leader_epoch).await;
        (known, leader)
    }

    async fn end(mut self) {
        // All at once: the last of them has no quorum left.
        let nodes = self.nodes.iter_mut().filter_map(Option::take);
        futures::future::join_all(nodes.map(Broker::shutdown)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_nodes_are_one_cluster_that_replicates_and_goes_on_without_a_leader() {
    let mut three = Three::start(&[BOTH; 3]).await;
    for index in 0..3 {
        let cluster = three.wire(index).await.call(1, &DescribeClusterRequest::default()).await;
        assert_eq!(cluster.cluster_id, three.nodes[0].as_ref().unwrap().cluster_id());
    }
    // Asked of any node, and known to all of them.
    three.wire(0).await.create_replicated("t", 1, 3).await;
    for index in 0..3 {
        three.until(index, "t", |partition| partition.isr_nodes.len() == 3).await;
    }
    let (first, leader) = three.led(0, "t", |_| true).await;
    let mut wire = three.wire(leader).await;
    for number in 0..20 {
        let produced = wire.produce("t", 0, batch(&[&format!("a{number}")])).await;
        assert_eq!((produced.error_code, produced.base_offset), (ErrorCode::None, number));
    }
    let other = (leader + 1) % 3;
    let refused = three.wire(other).await.produce("t", 0, batch(&["elsewhere"])).await;
    assert_eq!(refused.error_code, ErrorCode::NotLeaderOrFollower);
    three.stop(leader).await;
    let (next, new_leader) =
        three.led(other, "t", |partition| partition.leader_id != first.leader_id).await;
    assert!(next.leader_epoch > first.leader_epoch);
    let mut wire = three.wire(new_leader).await;
    let produced = wire.produce("t", 0, batch(&["b"])).await;
    assert_eq!((produced.error_code, produced.base_offset), (ErrorCode::None, 20));
    let fetched = wire.fetch("t", 0, 0, 0).await;
    assert_eq!(records_of(&fetched).len(), 21);
    three.again(leader).await;
    three.until(new_leader, "t", |partition| partition.isr_nodes.len() == 3).await;
    three.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn brokers_and_controllers_may_be_nodes_of_their_own() {
    let three = Three::start(&["controller", "broker", "broker"]).await;
    three.wire(1).await.create_replicated("t", 1, 2).await;
    let of_both = |partition: &MetadataResponsePartition| partition.isr_nodes.len() == 2;
    let (_, leader) = three.led(2, "t", of_both).await;
    let mut wire = three.wire(leader).await;
    // The ids of producers are the controller's to give.
    let ids = InitProducerIdRequest { transactional_id: None, ..Default::default() };
    let given = wire.call(4, &ids).await;
    assert_eq!((given.error_code, given.producer_epoch), (ErrorCode::None, 0));
    let produced = wire.produce("t", 0, batch(&["a", "b"])).await;
    assert_eq!((produced.error_code, produced.base_offset), (ErrorCode::None, 0));
    assert_eq!(records_of(&wire.fetch("t", 0, 0, 0).await).len(), 2);
    let described = wire.call(0, &DescribeQuorumRequest { topics: vec![metadata_log()] }).await;
    let quorum = &described.topics[0].partitions[0];
    assert_eq!((described.error_code, quorum.leader_id), (ErrorCode::None, 1));
    assert_eq!((quorum.current_voters.len(), quorum.observers.len()), (1, 2));
    three.end().await;
}

fn metadata_log() -> TopicData {
    let topic_name = "__cluster_metadata".to_owned();
    TopicData { topic_name, partitions: vec![PartitionData::default()] }
}
