//! What is run, and what is found.

use super::world::{Misuse, Plan, World};
use crate::rules::{Rule, break_rule};

fn run(plan: Plan, seed: u64) -> World {
    let mut world = World::new(plan, seed, None);
    if let Err(error) = world.run() {
        panic!("seed {seed}: {error}");
    }
    world
}

fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

#[test]
fn three_static_voters_keep_what_they_acknowledge() {
    for seed in 0..seeds() {
        let world = run(Plan::default(), seed);
        assert!(world.checks.acknowledged() > 50, "seed {seed}: clients get their work done");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let traced = |seed| {
        let mut world = World::new(Plan::default(), seed, None);
        world.trace = Some(0);
        assert_eq!(world.run(), Ok(()));
        (world.trace, world.events)
    };
    assert_eq!(traced(7), traced(7));
    assert_ne!(traced(7), traced(8));
}

fn storm() -> Plan {
    Plan { voters: 5, observers: 0, trouble_ms: 20_000, storm: true, ..Plan::default() }
}

#[test]
fn five_voters_in_a_storm_of_elections_keep_what_they_acknowledge() {
    for seed in 0..seeds() {
        let world = run(storm(), seed);
        assert!(world.checks.elections() > 5, "seed {seed}: there are elections");
    }
}

/// After how many seeds a breach is found.
fn found_after(
    plan: Plan,
    rule: Option<Rule>,
    misuse: Option<Misuse>,
    seeds: u64,
) -> Option<(u64, String)> {
    break_rule(rule);
    let found = (0..seeds).find_map(|seed| {
        let outcome = World::new(plan, seed, misuse).run();
        outcome.err().map(|error| (seed + 1, error))
    });
    break_rule(None);
    found
}

#[test]
fn a_broken_rule_is_found() {
    for rule in [
        Rule::MajorityElects,
        Rule::MajorityCommits,
        Rule::OneVoteAnEpoch,
        Rule::CompleteLogWins,
        Rule::OwnEpochCommits,
    ] {
        let found = found_after(storm(), Some(rule), None, 20);
        assert!(found.is_some(), "nobody notices that {rule:?} is broken");
    }
    let found = found_after(storm(), None, Some(Misuse::UnsyncedIsSynced), 40);
    assert!(found.is_some(), "nobody notices a disk that lies");
}
