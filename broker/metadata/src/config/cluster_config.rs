//! The settings of a node among others, in the groups that its parts take.

use super::reader::Reader;
use super::resolve::BrokerLayers;
use super::value::ValueError;

/// Settings of the metadata quorum.
#[derive(Clone, Debug, PartialEq)]
pub struct QuorumConfig {
    /// `controller.quorum.voters`, each as ID@HOST:PORT; the node's server reads the addresses.
    pub voters: Vec<String>,
    pub bootstrap_servers: Vec<String>,
    pub auto_join: bool,
    pub election_timeout_ms: i64,
    pub election_backoff_max_ms: i64,
    pub fetch_timeout_ms: i64,
    pub request_timeout_ms: i64,
    pub retry_backoff_ms: i64,
    pub fetch_max_bytes: u32,
    pub fetch_snapshot_max_bytes: u32,
}

/// Settings of the metadata's log and of its snapshots.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataLogConfig {
    /// `None`: in the first of the log dirs.
    pub dir: Option<String>,
    pub segment_bytes: i32,
    pub segment_ms: i64,
    pub snapshot_bytes: i64,
    /// 0: no snapshot by time.
    pub snapshot_interval_ms: i64,
    /// 0: no records without content.
    pub idle_interval_ms: i64,
    pub retention_bytes: i64,
    pub retention_ms: i64,
}

/// Settings of the active controller, and of brokers towards it.
#[derive(Clone, Debug, PartialEq)]
pub struct MembershipConfig {
    pub session_timeout_ms: i64,
    pub heartbeat_interval_ms: i64,
    pub registration_timeout_ms: i64,
    pub controlled_shutdown: bool,
    pub auto_leader_rebalance: bool,
    pub leader_imbalance_check_interval_ms: i64,
}

/// Settings of followers and of what a leader asks of them.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicationConfig {
    pub lag_time_max_ms: i64,
    pub fetchers: u32,
    pub fetch_backoff_ms: i64,
    pub fetch_max_bytes: u32,
    pub fetch_min_bytes: i32,
    pub fetch_response_max_bytes: u32,
    pub fetch_wait_max_ms: i64,
    pub socket_timeout_ms: i64,
}

/// All of these.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterConfig {
    pub quorum: QuorumConfig,
    pub metadata_log: MetadataLogConfig,
    pub membership: MembershipConfig,
    pub replication: ReplicationConfig,
}

impl ClusterConfig {
    /// What holds for a node with these layers.
    pub fn resolve(layers: BrokerLayers<'_>) -> Result<Self, ValueError> {
        let read = Reader::of_broker(layers);
        Ok(Self {
            quorum: quorum(&read)?,
            metadata_log: metadata_log(&read)?,
            membership: membership(&read)?,
            replication: replication(&read)?,
        })
    }

    /// Whether the settings fit each other; the error is a sentence for the user.
    pub fn validate(&self) -> Result<(), String> {
        let Self { membership, replication, .. } = self;
        if membership.heartbeat_interval_ms < 1 {
            return Err("broker.heartbeat.interval.ms must be at least 1.".to_owned());
        }
        if membership.session_timeout_ms < membership.heartbeat_interval_ms {
            return Err(format!(
                "broker.session.timeout.ms ({}) must not be below broker.heartbeat.interval.ms \
                 ({}): a broker would be fenced between two heartbeats.",
                membership.session_timeout_ms, membership.heartbeat_interval_ms
            ));
        }
        if replication.fetch_wait_max_ms > replication.lag_time_max_ms {
            return Err(format!(
                "replica.fetch.wait.max.ms ({}) must not be above replica.lag.time.max.ms ({}): \
                 followers of a quiet topic would leave the ISR while they wait.",
                replication.fetch_wait_max_ms, replication.lag_time_max_ms
            ));
        }
        Ok(())
    }
}

fn quorum(read: &Reader<'_>) -> Result<QuorumConfig, ValueError> {
    Ok(QuorumConfig {
        voters: read.list("controller.quorum.voters")?,
        bootstrap_servers: read.list("controller.quorum.bootstrap.servers")?,
        auto_join: read.flag("controller.quorum.auto.join.enable")?,
        election_timeout_ms: read.long("controller.quorum.election.timeout.ms")?,
        election_backoff_max_ms: read.long("controller.quorum.election.backoff.max.ms")?,
        fetch_timeout_ms: read.long("controller.quorum.fetch.timeout.ms")?,
        request_timeout_ms: read.long("controller.quorum.request.timeout.ms")?,
        retry_backoff_ms: read.long("controller.quorum.retry.backoff.ms")?,
        fetch_max_bytes: read.count("controller.quorum.fetch.max.bytes")?,
        fetch_snapshot_max_bytes: read.count("controller.quorum.fetch.snapshot.max.bytes")?,
    })
}

fn metadata_log(read: &Reader<'_>) -> Result<MetadataLogConfig, ValueError> {
    Ok(MetadataLogConfig {
        dir: read.text("metadata.log.dir")?,
        segment_bytes: read.int("metadata.log.segment.bytes")?,
        segment_ms: read.long("metadata.log.segment.ms")?,
        snapshot_bytes: read.long("metadata.log.max.record.bytes.between.snapshots")?,
        snapshot_interval_ms: read.long("metadata.log.max.snapshot.interval.ms")?,
        idle_interval_ms: read.long("metadata.max.idle.interval.ms")?,
        retention_bytes: read.long("metadata.max.retention.bytes")?,
        retention_ms: read.long("metadata.max.retention.ms")?,
    })
}

fn membership(read: &Reader<'_>) -> Result<MembershipConfig, ValueError> {
    let check_seconds = read.long("leader.imbalance.check.interval.seconds")?;
    Ok(MembershipConfig {
        session_timeout_ms: read.long("broker.session.timeout.ms")?,
        heartbeat_interval_ms: read.long("broker.heartbeat.interval.ms")?,
        registration_timeout_ms: read.long("initial.broker.registration.timeout.ms")?,
        controlled_shutdown: read.flag("controlled.shutdown.enable")?,
        auto_leader_rebalance: read.flag("auto.leader.rebalance.enable")?,
        leader_imbalance_check_interval_ms: check_seconds.saturating_mul(1000),
    })
}

fn replication(read: &Reader<'_>) -> Result<ReplicationConfig, ValueError> {
    Ok(ReplicationConfig {
        lag_time_max_ms: read.long("replica.lag.time.max.ms")?,
        fetchers: read.count("num.replica.fetchers")?,
        fetch_backoff_ms: read.long("replica.fetch.backoff.ms")?,
        fetch_max_bytes: read.count("replica.fetch.max.bytes")?,
        fetch_min_bytes: read.int("replica.fetch.min.bytes")?,
        fetch_response_max_bytes: read.count("replica.fetch.response.max.bytes")?,
        fetch_wait_max_ms: read.long("replica.fetch.wait.max.ms")?,
        socket_timeout_ms: read.long("replica.socket.timeout.ms")?,
    })
}
