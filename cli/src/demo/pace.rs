//! How fast the demo goes, and how the airlines overtake each other: what is seen only by looking
//! again. Time comes in as an argument.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::board::Standing;

/// Over which time a rate is taken.
const RATE_OVER: Duration = Duration::from_secs(2);
/// One value of the history of rates.
const HISTORY_STEP: Duration = Duration::from_millis(500);
/// How many values the history has.
const HISTORY_LENGTH: usize = 40;
/// How long an overtaking is shown.
const MOVE_SHOWN: Duration = Duration::from_millis(1500);

/// A counter that only grows, looked at again and again.
#[derive(Debug, Default)]
pub(super) struct Rate {
    samples: VecDeque<(Instant, u64)>,
    history: VecDeque<u64>,
    last_step: Option<(Instant, u64)>,
}

impl Rate {
    /// Notes the counter's value.
    pub(super) fn note(&mut self, now: Instant, count: u64) {
        self.samples.push_back((now, count));
        while self.samples.len() > 2
            && self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= RATE_OVER)
        {
            self.samples.pop_front();
        }
        match self.last_step {
            None => self.last_step = Some((now, count)),
            Some((at, before)) if now.duration_since(at) >= HISTORY_STEP => {
                let rate = per_second(count.saturating_sub(before), now.duration_since(at));
                self.history.push_back(rate);
                if self.history.len() > HISTORY_LENGTH {
                    self.history.pop_front();
                }
                self.last_step = Some((now, count));
            }
            Some(_) => {}
        }
    }

    /// How many a second, over the last moments.
    pub(super) fn per_second(&self) -> u64 {
        match (self.samples.front(), self.samples.back()) {
            (Some((begun, from)), Some((now, to))) => {
                per_second(to.saturating_sub(*from), now.duration_since(*begun))
            }
            _ => 0,
        }
    }

    /// Rates of the past, the latest one last.
    pub(super) fn history(&self) -> impl ExactSizeIterator<Item = u64> {
        self.history.iter().copied()
    }
}

fn per_second(count: u64, time: Duration) -> u64 {
    if time.is_zero() { 0 } else { (count as f64 / time.as_secs_f64()).round() as u64 }
}

/// Who overtook whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Up,
    Down,
}

/// The order of the airlines as it was seen last.
#[derive(Debug, Default)]
pub(super) struct Race {
    ranks: HashMap<String, usize>,
    moved: HashMap<String, (Instant, Move)>,
}

impl Race {
    /// Notes the order of now. A new airline has not moved, and neither has one that only makes
    /// room for it.
    pub(super) fn note(&mut self, now: Instant, standings: &[Standing]) {
        let known: Vec<&Standing> =
            standings.iter().filter(|s| self.ranks.contains_key(&s.airline)).collect();
        for (rank, standing) in known.iter().enumerate() {
            let before = self.ranks[&standing.airline];
            if rank != before {
                let moved = if rank < before { Move::Up } else { Move::Down };
                self.moved.insert(standing.airline.clone(), (now, moved));
            }
        }
        self.moved.retain(|_, (at, _)| now.duration_since(*at) < MOVE_SHOWN);
        let ranks = standings.iter().enumerate();
        self.ranks = ranks.map(|(rank, s)| (s.airline.clone(), rank)).collect();
    }

    /// How the airline moved a moment ago.
    pub(super) fn moved(&self, airline: &str) -> Option<Move> {
        self.moved.get(airline).map(|(_, moved)| *moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(airlines: &[&str]) -> Vec<Standing> {
        let standing = |airline: &&str| Standing {
            airline: (*airline).to_owned(),
            departures: 0,
            average_delay: None,
        };
        airlines.iter().map(standing).collect()
    }

    #[test]
    fn a_rate_is_that_of_the_last_two_seconds() {
        let (begun, mut rate) = (Instant::now(), Rate::default());
        for (millis, count) in [(0, 0), (1000, 1000), (2000, 2000), (3000, 2500), (4000, 3000)] {
            rate.note(begun + Duration::from_millis(millis), count);
        }
        assert_eq!(rate.per_second(), 500);
        assert_eq!(rate.history().collect::<Vec<_>>(), [1000, 1000, 500, 500]);
        assert_eq!(Rate::default().per_second(), 0);
    }

    #[test]
    fn overtaking_is_seen_for_a_moment_and_newcomers_overtake_nobody() {
        let (begun, mut race) = (Instant::now(), Race::default());
        race.note(begun, &order(&["a", "b"]));
        race.note(begun, &order(&["new", "a", "b"]));
        assert_eq!((race.moved("new"), race.moved("a"), race.moved("b")), (None, None, None));
        race.note(begun, &order(&["new", "b", "a"]));
        assert_eq!((race.moved("a"), race.moved("b")), (Some(Move::Down), Some(Move::Up)));
        race.note(begun + MOVE_SHOWN, &order(&["new", "b", "a"]));
        assert_eq!((race.moved("a"), race.moved("b")), (None, None));
    }
}
