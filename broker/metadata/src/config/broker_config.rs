//! A broker's settings, in the groups that its parts take.

use super::reader::Reader;
use super::resolve::BrokerLayers;
use super::value::ValueError;

/// Every setting of a broker that has an effect beside those that are defaults of topics.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerConfig {
    pub node: NodeConfig,
    pub topics: TopicDefaults,
    pub sockets: SocketConfig,
    pub fetch: FetchConfig,
    pub upkeep: UpkeepConfig,
    pub groups: GroupConfig,
    pub offsets_topic: OffsetsTopicConfig,
}

/// Who the node is and where it listens; addresses are read by the server.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeConfig {
    /// `node.id`, or else `broker.id`; `None` when neither says a number.
    pub id: Option<i32>,
    pub rack: Option<String>,
    pub roles: Vec<String>,
    pub listeners: Vec<String>,
    /// Empty: the listeners themselves.
    pub advertised_listeners: Vec<String>,
    pub listener_security_protocol_map: Vec<String>,
    pub inter_broker_listener_name: Option<String>,
    pub controller_listener_names: Vec<String>,
    /// `log.dirs`, or else `log.dir`.
    pub log_dirs: Vec<String>,
}

/// What a topic gets when its creator says nothing, and what may be done to topics.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicDefaults {
    pub partitions: i32,
    pub replication_factor: i16,
    pub auto_create: bool,
    pub delete: bool,
    pub max_request_partition_size_limit: i32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SocketConfig {
    /// -1: as the system has it.
    pub send_buffer_bytes: i32,
    /// -1: as the system has it.
    pub receive_buffer_bytes: i32,
    pub request_max_bytes: u32,
    pub listen_backlog: u32,
    pub max_connections: u32,
    pub max_connections_per_ip: u32,
    /// Negative: never.
    pub connections_max_idle_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FetchConfig {
    pub max_bytes: u32,
    pub session_slots: u32,
}

/// The pauses of work that is done beside requests.
#[derive(Clone, Debug, PartialEq)]
pub struct UpkeepConfig {
    pub retention_check_interval_ms: i64,
    pub flush_check_interval_ms: i64,
    pub recovery_point_interval_ms: i64,
    pub start_offset_interval_ms: i64,
    pub high_watermark_interval_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct GroupConfig {
    pub initial_rebalance_delay_ms: i64,
    pub min_session_timeout_ms: i64,
    pub max_session_timeout_ms: i64,
    pub max_size: u32,
    pub offset_metadata_max_bytes: u32,
    pub offsets_retention_ms: i64,
    pub offsets_retention_check_interval_ms: i64,
    pub offsets_commit_timeout_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OffsetsTopicConfig {
    pub partitions: i32,
    pub replication_factor: i16,
    pub segment_bytes: i32,
    /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub compression_codec: i32,
}

impl BrokerConfig {
    /// What holds for a broker with these layers.
    pub fn resolve(layers: BrokerLayers<'_>) -> Result<Self, ValueError> {
        let read = Reader::of_broker(layers);
        Ok(Self {
            node: node(&read)?,
            topics: TopicDefaults {
                partitions: read.int("num.partitions")?,
                replication_factor: read.short("default.replication.factor")?,
                auto_create: read.flag("auto.create.topics.enable")?,
                delete: read.flag("delete.topic.enable")?,
                max_request_partition_size_limit: read.int("max.request.partition.size.limit")?,
            },
            sockets: sockets(&read)?,
            fetch: FetchConfig {
                max_bytes: read.count("fetch.max.bytes")?,
                session_slots: read.count("max.incremental.fetch.session.cache.slots")?,
            },
            upkeep: UpkeepConfig {
                retention_check_interval_ms: read.long("log.retention.check.interval.ms")?,
                flush_check_interval_ms: read.long("log.flush.scheduler.interval.ms")?,
                recovery_point_interval_ms: read.long("log.flush.offset.checkpoint.interval.ms")?,
                start_offset_interval_ms: read
                    .long("log.flush.start.offset.checkpoint.interval.ms")?,
                high_watermark_interval_ms: read
                    .long("replica.high.watermark.checkpoint.interval.ms")?,
            },
            groups: groups(&read)?,
            offsets_topic: OffsetsTopicConfig {
                partitions: read.int("offsets.topic.num.partitions")?,
                replication_factor: read.short("offsets.topic.replication.factor")?,
                segment_bytes: read.int("offsets.topic.segment.bytes")?,
                compression_codec: read.int("offsets.topic.compression.codec")?,
            },
        })
    }

    /// Whether the settings fit each other; the error is a sentence for the user.
    pub fn validate(&self) -> Result<(), String> {
        self.node.validate()?;
        self.groups.validate()?;
        self.offsets_topic.validate()
    }
}

impl NodeConfig {
    pub fn validate(&self) -> Result<(), String> {
        if self.listeners.is_empty() {
            return Err("listeners must name at least one address, as in \
                        listeners=PLAINTEXT://localhost:9092."
                .to_owned());
        }
        if self.log_dirs.is_empty() {
            return Err("log.dirs must name at least one folder.".to_owned());
        }
        Ok(())
    }
}

impl GroupConfig {
    pub fn validate(&self) -> Result<(), String> {
        if self.min_session_timeout_ms > self.max_session_timeout_ms {
            return Err(format!(
                "group.min.session.timeout.ms ({}) must not be above \
                 group.max.session.timeout.ms ({}).",
                self.min_session_timeout_ms, self.max_session_timeout_ms
            ));
        }
        if self.initial_rebalance_delay_ms < 0 {
            return Err("group.initial.rebalance.delay.ms must not be negative.".to_owned());
        }
        Ok(())
    }
}

impl OffsetsTopicConfig {
    pub fn validate(&self) -> Result<(), String> {
        if !(0..=4).contains(&self.compression_codec) {
            return Err(format!(
                "offsets.topic.compression.codec is {}, but must be 0 (none), 1 (gzip), 2 (snappy), \
                 3 (lz4) or 4 (zstd).",
                self.compression_codec
            ));
        }
        Ok(())
    }
}

fn node(read: &Reader<'_>) -> Result<NodeConfig, ValueError> {
    let map = read.text("listener.security.protocol.map")?.unwrap_or_default();
    let dirs = if read.is_set("log.dirs") { "log.dirs" } else { "log.dir" };
    let mut id = None;
    for name in ["node.id", "broker.id"] {
        if id.is_none() && read.is_set(name) {
            id = Some(read.int(name)?).filter(|number| *number >= 0);
        }
    }
    Ok(NodeConfig {
        id,
        rack: read.text("broker.rack")?,
        roles: read.list("process.roles")?,
        listeners: read.list("listeners")?,
        advertised_listeners: read.list("advertised.listeners")?,
        listener_security_protocol_map: super::value::items(&map),
        inter_broker_listener_name: read.text("inter.broker.listener.name")?,
        controller_listener_names: read.list("controller.listener.names")?,
        log_dirs: read.list(dirs)?,
    })
}

fn sockets(read: &Reader<'_>) -> Result<SocketConfig, ValueError> {
    Ok(SocketConfig {
        send_buffer_bytes: read.int("socket.send.buffer.bytes")?,
        receive_buffer_bytes: read.int("socket.receive.buffer.bytes")?,
        request_max_bytes: read.count("socket.request.max.bytes")?,
        listen_backlog: read.count("socket.listen.backlog.size")?,
        max_connections: read.count("max.connections")?,
        max_connections_per_ip: read.count("max.connections.per.ip")?,
        connections_max_idle_ms: read.long("connections.max.idle.ms")?,
    })
}

fn groups(read: &Reader<'_>) -> Result<GroupConfig, ValueError> {
    Ok(GroupConfig {
        initial_rebalance_delay_ms: read.long("group.initial.rebalance.delay.ms")?,
        min_session_timeout_ms: read.long("group.min.session.timeout.ms")?,
        max_session_timeout_ms: read.long("group.max.session.timeout.ms")?,
        max_size: read.count("group.max.size")?,
        offset_metadata_max_bytes: read.count("offset.metadata.max.bytes")?,
        offsets_retention_ms: read.long("offsets.retention.minutes")?.saturating_mul(60_000),
        offsets_retention_check_interval_ms: read.long("offsets.retention.check.interval.ms")?,
        offsets_commit_timeout_ms: read.long("offsets.commit.timeout.ms")?,
    })
}
