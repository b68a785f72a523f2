//! Whatever requests come in whatever order: invariants hold, every request is answered once, and a
//! broker that starts from the log has the same offsets and assignments.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::Shard;
use super::testing::{GROUP, Joining, World, settings};
use crate::Settings;

#[derive(Clone, Debug)]
enum Action {
    Join { who: usize, again: bool, sticky: bool },
    JoinStatic { who: usize },
    Sync { who: usize, generation: i32 },
    Heartbeat { who: usize },
    Leave { who: usize },
    Commit { who: usize, offset: i64 },
    Pass { ms: i64 },
    Expire,
    Restart,
    Disk { refuses: bool },
}

const IDS: [&str; 4] = ["a", "b", "c", "d"];

fn action() -> impl Strategy<Value = Action> {
    let who = 0..IDS.len();
    prop_oneof![
        6 => (who.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(who, again, sticky)| Action::Join { who, again, sticky }),
        2 => who.clone().prop_map(|who| Action::JoinStatic { who }),
        6 => (who.clone(), 1..6).prop_map(|(who, generation)| Action::Sync { who, generation }),
        3 => who.clone().prop_map(|who| Action::Heartbeat { who }),
        2 => who.clone().prop_map(|who| Action::Leave { who }),
        3 => (who, 0..100i64).prop_map(|(who, offset)| Action::Commit { who, offset }),
        5 => (1..12_000i64).prop_map(|ms| Action::Pass { ms }),
        1 => Just(Action::Expire),
        1 => Just(Action::Restart),
        1 => any::<bool>().prop_map(|refuses| Action::Disk { refuses }),
    ]
}

/// What survives a restart: offsets, and the assignments of a Stable group.
fn persistent(shard: &Shard) -> (BTreeMap<i32, i64>, BTreeMap<String, Bytes>) {
    let offsets = shard.all_committed(GROUP);
    let offsets = offsets.map(|(_, partition, committed)| (partition, committed.offset)).collect();
    let stable = shard.describe(GROUP).filter(|group| group.group_state == "Stable");
    let members = stable.into_iter().flat_map(|group| group.members);
    (offsets, members.map(|member| (member.member_id, member.member_assignment)).collect())
}

fn generation(world: &World) -> i32 {
    world.shard.groups.get(GROUP).map_or(0, |group| group.generation)
}

fn perform(world: &mut World, action: &Action, instances: &mut u64) -> Option<u64> {
    match action {
        Action::Join { who, again, sticky } => {
            let id = IDS[*who];
            let joining = if *again { Joining::member(id) } else { Joining::old(id) };
            // A fresh id is unique: one that is taken joins again.
            let taken = world.shard.groups.get(GROUP).is_some_and(|g| g.members.contains_key(id));
            let joining = if taken { Joining::member(id) } else { joining };
            let protocols: &[&str] = if *sticky { &["sticky", "range"] } else { &["range"] };
            Some(world.join(&joining.protocols(protocols)))
        }
        Action::JoinStatic { who } => {
            *instances += 1;
            let id = format!("{}-{instances}", IDS[*who]);
            Some(world.join(&Joining::new(&id).instance(IDS[*who])))
        }
        Action::Sync { who, generation } => Some(world.sync(IDS[*who], *generation, &IDS)),
        Action::Heartbeat { who } => {
            world.heartbeat(IDS[*who], generation(world));
            None
        }
        Action::Leave { who } => {
            world.leave(&[(IDS[*who], "")]);
            None
        }
        Action::Commit { who, offset } => {
            // Refusals are as good as commits here.
            let _ = world.commit(IDS[*who], generation(world), *offset);
            None
        }
        Action::Pass { ms } => {
            world.pass(*ms);
            None
        }
        Action::Expire => {
            world.expire();
            None
        }
        Action::Restart => {
            world.restart();
            None
        }
        Action::Disk { refuses } => {
            world.refuse_appends = *refuses;
            None
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_requests_keeps_the_invariants(
        actions in proptest::collection::vec(action(), 1..60),
    ) {
        let mut world = World::with(Settings { max_size: 3, ..settings() });
        let mut instances = 0;
        let mut open = BTreeSet::new();
        for action in &actions {
            let restarts = matches!(action, Action::Restart);
            open.extend(perform(&mut world, action, &mut instances));
            if restarts {
                // Whoever waited lost its connection.
                open.clear();
                world.answers();
            }
            for answer in world.answers() {
                let ticket = answer.split(':').next().and_then(|number| number.parse().ok());
                let ticket: u64 = ticket.expect("an answer begins with its ticket");
                prop_assert!(open.remove(&ticket), "{ticket} was answered twice: {answer}");
            }
            let before = persistent(&world.shard);
            let mut copy = Shard::new(world.settings.clone());
            for record in &world.log {
                copy.replay(record);
            }
            let after = persistent(&copy);
            prop_assert_eq!(&before.0, &after.0);
            if !before.1.is_empty() {
                prop_assert_eq!(&before.1, &after.1);
            }
        }
        world.refuse_appends = false;
        world.pass(10_000_000);
        world.answers().iter().filter_map(|a| a.split(':').next()?.parse().ok()).for_each(|n: u64| {
            open.remove(&n);
        });
        prop_assert!(open.is_empty(), "never answered: {open:?}");
        let state = world.state();
        prop_assert!(state == "Empty []" || state == "Absent", "{}", state);
    }
}
