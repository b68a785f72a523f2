//! Which brokers hold a new partition.
//!
//! Replicas are dealt like cards: brokers stand in a ring in which neighbours are of different
//! racks as far as possible, each partition starts one place further than the last, and after each
//! full turn the followers shift, so that no two brokers share all their partitions. The only
//! chance in it is `start`, which the caller draws.

use thiserror::Error;

/// A broker that may be given replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub id: i32,
    pub rack: Option<String>,
    /// A fenced broker gets replicas only where there are not enough others.
    pub is_fenced: bool,
}

/// Why no placement exists.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlacementError {
    #[error(
        "Unable to replicate the partition {wanted} time(s): The target replication factor of \
         {wanted} cannot be reached because only {available} broker(s) are registered or some \
         brokers have all their log directories cordoned."
    )]
    TooFewBrokers { wanted: usize, available: usize },
    #[error(
        "Unable to replicate the partition {wanted} time(s): All brokers are currently fenced, or \
         have all their log directories cordoned."
    )]
    AllFenced { wanted: usize },
}

/// Replicas, preferred leader first, of each of `count` new partitions.
pub fn place(
    candidates: &[Candidate],
    count: usize,
    replication_factor: usize,
    start: usize,
) -> Result<Vec<Vec<i32>>, PlacementError> {
    if replication_factor == 0 || replication_factor > candidates.len() {
        return Err(PlacementError::TooFewBrokers {
            wanted: replication_factor,
            available: candidates.len(),
        });
    }
    let (fenced, there): (Vec<&Candidate>, Vec<&Candidate>) =
        candidates.iter().partition(|candidate| candidate.is_fenced);
    if there.is_empty() {
        return Err(PlacementError::AllFenced { wanted: replication_factor });
    }
    let (ring, last) = (ring_by_rack(there), ring_by_rack(fenced));
    let size = ring.len();
    let followers = replication_factor.min(size) - 1;
    let placed = (0..count).map(|partition| {
        let first = (start + partition) % size;
        let shift = partition / size;
        let mut replicas = vec![ring[first]];
        for follower in 0..followers {
            let step = 1 + (follower + shift) % (size - 1);
            replicas.push(ring[(first + step) % size]);
        }
        let rest = last.iter().cycle().skip((start + partition) % last.len().max(1));
        replicas.extend(rest.take(replication_factor - replicas.len()));
        replicas
    });
    Ok(placed.collect())
}

/// Broker ids in a ring, one of each rack in turn.
fn ring_by_rack(mut candidates: Vec<&Candidate>) -> Vec<i32> {
    let mut racks: Vec<(Option<&str>, Vec<i32>)> = Vec::new();
    candidates.sort_by_key(|candidate| candidate.id);
    for candidate in candidates {
        let rack = candidate.rack.as_deref();
        match racks.iter_mut().find(|(name, _)| *name == rack) {
            Some((_, ids)) => ids.push(candidate.id),
            None => racks.push((rack, vec![candidate.id])),
        }
    }
    let longest = racks.iter().map(|(_, ids)| ids.len()).max().unwrap_or(0);
    (0..longest)
        .flat_map(|turn| racks.iter().filter_map(move |(_, ids)| ids.get(turn)))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(racks: &[Option<&str>]) -> Vec<Candidate> {
        let named = (0..).zip(racks);
        let candidates = named.map(|(id, rack)| {
            let rack = rack.map(str::to_owned);
            Candidate { id, rack, is_fenced: false }
        });
        candidates.collect()
    }

    #[test]
    fn leaders_and_followers_are_spread() {
        let placed = place(&brokers(&[None, None, None]), 6, 2, 1).unwrap();
        assert_eq!(placed, [[1, 2], [2, 0], [0, 1], [1, 0], [2, 1], [0, 2]]);
    }

    #[test]
    fn followers_stand_in_other_racks_where_there_are_two() {
        let candidates = brokers(&[Some("a"), Some("a"), Some("b"), Some("b")]);
        for replicas in place(&candidates, 4, 2, 0).unwrap() {
            assert_ne!(replicas[0] < 2, replicas[1] < 2, "{replicas:?}");
        }
    }

    #[test]
    fn more_replicas_than_brokers_are_refused() {
        let error = place(&brokers(&[None]), 1, 3, 0).unwrap_err();
        assert_eq!(error, PlacementError::TooFewBrokers { wanted: 3, available: 1 });
        assert!(place(&[], 1, 1, 0).is_err());
    }

    #[test]
    fn fenced_brokers_fill_up_behind_all_others() {
        let mut candidates = brokers(&[None; 4]);
        candidates[1].is_fenced = true;
        candidates[3].is_fenced = true;
        let placed = place(&candidates, 3, 3, 0).unwrap();
        assert_eq!(placed, [[0, 2, 1], [2, 0, 3], [0, 2, 1]]);
        assert_eq!(place(&candidates, 2, 1, 1).unwrap(), [[2], [0]]);
        candidates.retain(|candidate| candidate.is_fenced);
        let refused = place(&candidates, 1, 2, 0).unwrap_err();
        assert_eq!(refused, PlacementError::AllFenced { wanted: 2 });
    }
}
