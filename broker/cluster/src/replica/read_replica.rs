//! From which replica a consumer best reads (KIP-392).

/// A replica as the leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadReplica<'a> {
    pub node: i32,
    /// Whether consumers can reach it: it is alive and listens where they do.
    pub reachable: bool,
    pub in_sync: bool,
    /// `broker.rack`; `None`: it has none.
    pub rack: Option<&'a str>,
    /// -1 while it is not known.
    pub log_start: i64,
    pub log_end: i64,
    /// How long it has not been caught up.
    pub lag_ms: i64,
}

/// The follower that a consumer in `rack` is sent to for `fetch_offset`, as Kafka's
/// `RackAwareReplicaSelector` chooses it; `None`: it reads from the leader.
///
/// Only replicas in sync that have the offset come into question. Among those in the consumer's
/// rack the leader goes first, then the one whose log is longest, the one that was caught up
/// last, and the greatest id.
pub fn preferred_read_replica(
    rack: Option<&str>,
    leader: &ReadReplica<'_>,
    followers: &[ReadReplica<'_>],
    fetch_offset: i64,
) -> Option<i32> {
    let rack = rack.filter(|rack| !rack.is_empty())?;
    if leader.rack == Some(rack) {
        return None;
    }
    let has_offset = |replica: &&ReadReplica<'_>| {
        replica.log_start >= 0 && (replica.log_start..=replica.log_end).contains(&fetch_offset)
    };
    let near = followers.iter().filter(|replica| replica.rack == Some(rack));
    let usable = near.filter(|replica| replica.reachable && replica.in_sync).filter(has_offset);
    let best = usable.max_by_key(|it| (it.log_end, std::cmp::Reverse(it.lag_ms), it.node));
    best.map(|replica| replica.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(node: i32, rack: &str, log_end: i64) -> ReadReplica<'_> {
        ReadReplica {
            node,
            reachable: true,
            in_sync: true,
            rack: Some(rack),
            log_start: 10,
            log_end,
            lag_ms: 0,
        }
    }

    #[test]
    fn a_consumer_reads_from_its_rack_when_a_replica_there_has_the_offset() {
        let leader = replica(1, "a", 100);
        let followers = [replica(2, "b", 50), replica(3, "b", 60), replica(4, "c", 90)];
        let cases = [
            (None, 20, None),
            (Some(""), 20, None),
            (Some("a"), 20, None),
            (Some("b"), 20, Some(3)),
            (Some("b"), 55, Some(3)),
            (Some("b"), 60, Some(3)),
            (Some("b"), 61, None),
            (Some("b"), 10, Some(3)),
            (Some("b"), 9, None),
            (Some("c"), 90, Some(4)),
            (Some("d"), 20, None),
        ];
        for (rack, offset, expected) in cases {
            let found = preferred_read_replica(rack, &leader, &followers, offset);
            assert_eq!(found, expected, "{rack:?} at {offset}");
        }
    }

    #[test]
    fn a_replica_that_cannot_serve_is_passed_over() {
        let leader = replica(1, "a", 100);
        let good = replica(2, "b", 50);
        let cases = [
            (good, Some(2)),
            (ReadReplica { reachable: false, ..good }, None),
            (ReadReplica { in_sync: false, ..good }, None),
            (ReadReplica { rack: None, ..good }, None),
            (ReadReplica { log_start: -1, log_end: -1, ..good }, None),
        ];
        for (follower, expected) in cases {
            let found = preferred_read_replica(Some("b"), &leader, &[follower], 20);
            assert_eq!(found, expected, "{follower:?}");
        }
        let rackless = ReadReplica { rack: None, ..leader };
        assert_eq!(preferred_read_replica(Some("b"), &rackless, &[good], 20), Some(2));
    }

    #[test]
    fn among_equals_the_one_that_was_caught_up_last_and_then_the_greatest_id_is_chosen() {
        let leader = replica(1, "a", 100);
        let at = |node, lag_ms| ReadReplica { lag_ms, ..replica(node, "b", 50) };
        let choose = |followers: &[ReadReplica<'_>]| {
            preferred_read_replica(Some("b"), &leader, followers, 20)
        };
        assert_eq!(choose(&[at(2, 5), at(3, 9)]), Some(2));
        assert_eq!(choose(&[at(2, 5), at(3, 5)]), Some(3));
        assert_eq!(choose(&[at(3, 5), at(2, 5)]), Some(3));
    }
}
