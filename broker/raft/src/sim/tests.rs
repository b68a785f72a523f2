//! What is run, and what is found.
//!
//! `SEEDS=n` runs n seeds of each world instead of ten, `FIRST=n` begins with another one. What
//! it takes to find a breach, in seeds of the storm of three voters (`--nocapture` prints it):
//!
//! | broken on purpose | seeds | what is seen |
//! |---|---|---|
//! | half of the voters elect | 1 | two leaders of an epoch |
//! | one voter commits | 1 | a leader without committed records |
//! | a second vote in an epoch | 2 | two votes of a node in an epoch |
//! | a vote for a log that is behind | 1 | a leader without committed records |
//! | records of older epochs are committed by counting | 10 | a leader without committed records |
//! | requests and responses of older epochs count | 15 | records that do not continue the log |
//! | a log that diverges is not cut | 1 | another batch at a committed offset |
//! | a follower acknowledges what is not synced | 17 | a leader without committed records |
//! | a leader counts itself before it has synced | 35 | a leader without committed records |
//! | voters change before the change before is committed | 2 | a leader without committed records |
//! | the vote is forgotten at a restart | 24 | two votes of a node in an epoch |
//! | a disk that calls all synced that is written | 96 | another batch at a committed offset |
//! | votes are sent before they are durable | 1 | an epoch that is led twice |

use super::node::SimNode;
use super::plan::{Misuse, Plan};
use super::world::World;
use crate::rules::{Rule, break_rule};

fn run(plan: Plan, seed: u64) -> World {
    let mut world = World::new(plan, seed, None);
    if let Err(error) = world.run() {
        panic!("seed {seed}: {error}");
    }
    world
}

fn first() -> u64 {
    std::env::var("FIRST").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

#[test]
fn three_static_voters_keep_what_they_acknowledge() {
    for seed in first()..first() + seeds() {
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
    for seed in first()..first() + seeds() {
        let world = run(storm(), seed);
        assert!(world.checks.elections() > 5, "seed {seed}: there are elections");
    }
}

/// After how many seeds a breach is found.
fn found_after(plan: Plan, rule: Option<Rule>, misuse: Option<Misuse>) -> Option<u64> {
    break_rule(rule);
    let found = (0..200).find_map(|seed| {
        let error = World::new(plan, seed, misuse).run().err()?;
        println!("{rule:?} {misuse:?} after {} seeds: {error}", seed + 1);
        Some(seed + 1)
    });
    break_rule(None);
    found
}

fn three_in_a_storm() -> Plan {
    Plan { voters: 3, ..storm() }
}

#[test]
fn a_broken_rule_is_found() {
    for rule in [
        Rule::MajorityElects,
        Rule::MajorityCommits,
        Rule::OneVoteAnEpoch,
        Rule::CompleteLogWins,
        Rule::OwnEpochCommits,
        Rule::EpochsFence,
        Rule::FollowersCut,
        Rule::SyncedBeforeFetched,
        Rule::SyncedBeforeCounted,
    ] {
        let found = found_after(three_in_a_storm(), Some(rule), None);
        assert!(found.is_some(), "nobody notices that {rule:?} is broken");
    }
    let changing = Plan { dynamic: true, spares: 2, ..three_in_a_storm() };
    let found = found_after(changing, Some(Rule::OneChangeAtATime), None);
    assert!(found.is_some(), "nobody notices that voters change at once");
    for misuse in [Misuse::ForgetVote, Misuse::UnsyncedIsSynced, Misuse::SendBeforePersist] {
        let found = found_after(three_in_a_storm(), None, Some(misuse));
        assert!(found.is_some(), "nobody notices that a driver does {misuse:?}");
    }
}

#[test]
fn voters_come_and_go_and_nothing_is_lost() {
    let plan = Plan { dynamic: true, spares: 2, ..Plan::default() };
    for seed in first()..first() + seeds() {
        let world = run(plan, seed);
        assert!(world.voter_changes > 2, "seed {seed}: voters come and go");
    }
}

#[test]
fn a_log_that_is_shortened_behind_snapshots_loses_nothing() {
    let plan = Plan { snapshots: true, ..Plan::default() };
    for seed in first()..first() + seeds() {
        let world = run(plan, seed);
        assert!(world.checks.acknowledged() > 50, "seed {seed}: clients get their work done");
    }
}

#[test]
fn voters_change_while_logs_are_shortened() {
    let plan = Plan { dynamic: true, spares: 2, snapshots: true, ..Plan::default() };
    for seed in first()..first() + seeds() {
        let world = run(plan, seed);
        assert!(world.voter_changes > 2, "seed {seed}: voters come and go");
    }
}

#[test]
fn a_voter_without_pre_votes_is_no_hindrance() {
    let plan = Plan { mixed: true, ..Plan::default() };
    for seed in first()..first() + seeds() {
        let world = run(plan, seed);
        assert!(world.checks.acknowledged() > 50, "seed {seed}: clients get their work done");
    }
}

#[test]
fn controllers_that_lose_their_disks_join_again_and_nothing_is_lost() {
    let plan = Plan { dynamic: true, joins: true, snapshots: true, ..Plan::default() };
    let mut replaced = 0;
    for seed in first()..first() + seeds() {
        let world = run(plan, seed);
        replaced += world.replaced;
        let leader = world.nodes.iter().filter_map(|node| node.raft.as_ref());
        let voters = leader.map(|raft| raft.history().voters().clone()).next();
        let mine =
            |node: &SimNode| voters.as_ref().is_some_and(|set| set.is_voter(&node.config.key()));
        assert!(world.nodes[..3].iter().all(mine), "seed {seed}: all are voters again");
    }
    assert!(replaced > 0, "disks are lost");
}

#[test]
fn a_leader_that_is_killed_is_replaced_within_half_a_second() {
    for seed in first()..first() + seeds() {
        let mut world = World::new(Plan { trouble_ms: 0, ..Plan::default() }, seed, None);
        world.calm();
        let took = world.kill_leader().expect("nothing goes wrong");
        assert!(took < 500, "seed {seed}: without a leader for {took} ms");
    }
}

#[test]
fn voters_change_in_a_storm_and_nothing_is_lost() {
    let plan = Plan { dynamic: true, spares: 2, snapshots: true, ..three_in_a_storm() };
    for seed in first()..first() + seeds() {
        let world = run(plan, seed);
        assert!(world.voter_changes > 0, "seed {seed}: voters come and go");
    }
}
