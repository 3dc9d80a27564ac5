//! Releases that run at the same time: every order of their steps ends alike (I3, I4, I5).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// A promote as `ops` runs it: record, plan, version tags, channels, second look until stable. Between any two steps
/// another run may do one.
#[derive(Debug, Clone)]
struct Run {
    of: String,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Planning,
    Writing(Vec<TagMove>, BTreeSet<Tag>),
    Looking(BTreeSet<Tag>),
    Done,
}

impl Run {
    fn new(of: &str) -> Self {
        Self { of: of.to_owned(), state: State::Planning }
    }

    fn done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// One request's worth.
    fn step(&mut self, world: &mut World) {
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Planning => {
                if !world.records.contains_key(&digest(&self.of)) {
                    *world = std::mem::take(world).record(&self.of);
                }
                let plan = plan_tags(&world.release(&self.of));
                assert!(plan.undecided.is_empty() && !plan.moves.iter().any(|m| m.action == Action::Conflict));
                let moves = plan.moves.into_iter().filter(|line| line.action.writes()).rev().collect();
                State::Writing(moves, left_over(&world.release(&self.of)))
            }
            State::Writing(mut moves, mut written) => match moves.pop() {
                None => State::Looking(written),
                Some(line) => {
                    put(world, &line);
                    written.insert(line.tag);
                    State::Writing(moves, written)
                }
            },
            State::Done => State::Done,
            State::Looking(written) => {
                let after = next_after_list(&world.release(&self.of), &written);
                assert!(after.conflicts.is_empty() && after.undecided.is_empty());
                if after.is_stable() {
                    State::Done
                } else {
                    State::Writing(after.moves.into_iter().rev().collect(), written)
                }
            }
        };
    }
}

fn put(world: &mut World, line: &TagMove) {
    let before = world.tags.insert(line.tag.clone(), line.to.clone());
    if line.class == TagClass::Version {
        assert!(before.is_none_or(|before| before == line.to), "version tag {} moved", line.tag);
    }
}

/// What every channel must show in the end: the highest release of its scope.
fn expected(versions: &BTreeSet<String>) -> BTreeMap<Tag, Digest> {
    let mut tags = BTreeMap::new();
    let mut sorted: Vec<&String> = versions.iter().collect();
    sorted.sort_by_key(|of| version(of));
    for of in sorted {
        for allowed in release_tags(of) {
            tags.insert(allowed.tag, digest(of));
        }
    }
    tags
}

fn versions() -> impl Strategy<Value = BTreeSet<String>> {
    let one = (0u64..3, 0u64..3, 0u64..3, proptest::option::weighted(0.2, 1u64..3));
    let text = one.prop_map(|(major, minor, patch, pre)| {
        let pre = pre.map(|n| format!("-rc.{n}")).unwrap_or_default();
        format!("{major}.{minor}.{patch}{pre}")
    });
    proptest::collection::btree_set(text, 1..6)
}

proptest! {
    #![proptest_config(cases(300))]

    /// I4: however promotes interleave, each channel ends at the highest version of its scope.
    #[test]
    fn i4_interleaved_promotes_end_alike(versions in versions(), order in proptest::collection::vec(any::<prop::sample::Index>(), 0..200)) {
        let mut world = World::default();
        let mut runs: Vec<Run> = versions.iter().map(|of| Run::new(of)).collect();
        for pick in order {
            let index = pick.index(runs.len());
            runs[index].step(&mut world);
        }
        for run in &mut runs {
            let mut steps = 0;
            while !run.done() {
                run.step(&mut world);
                steps += 1;
                prop_assert!(steps < 100, "the second look does not end");
            }
        }
        prop_assert_eq!(&world.tags, &expected(&versions));
    }

    /// I3, I4: a plan made in one look moves no version tag and no channel down, and run again it keeps everything.
    #[test]
    fn a_plan_never_goes_back_and_run_again_keeps_everything(versions in versions(), last in any::<prop::sample::Index>()) {
        let versions: Vec<String> = versions.into_iter().collect();
        let candidate = last.get(&versions);
        let mut world = World::default();
        for of in versions.iter().filter(|of| *of != candidate) {
            let mut run = Run::new(of);
            while !run.done() {
                run.step(&mut world);
            }
        }
        let shown = |world: &World, tag: &Tag| {
            let at = world.tags.get(tag)?;
            versions.iter().find(|of| digest(of) == *at).map(|of| version(of))
        };
        let world = world.record(candidate);
        let plan = plan_tags(&world.release(candidate));
        let mut after = world.clone();
        for line in plan.moves.iter().filter(|line| line.action.writes()) {
            prop_assert!(shown(&world, &line.tag) < Some(version(candidate)));
            prop_assert!(line.class == TagClass::Version || !version(candidate).is_prerelease());
            put(&mut after, line);
        }
        let again = plan_tags(&after.release(candidate));
        prop_assert!(again.moves.iter().all(|line| !line.action.writes()));
        prop_assert_eq!(ReleasePlan::new(vec![again]).outcome(), PlanOutcome::Unchanged);
    }

    /// I8: runs that are killed anywhere, also between a PUT and the second look, are finished by the same commands.
    #[test]
    fn i8_killed_and_interleaved_promotes_are_finished_by_the_same_commands(
        versions in versions(),
        order in proptest::collection::vec((any::<prop::sample::Index>(), proptest::bool::weighted(0.15)), 0..200),
    ) {
        let mut world = World::default();
        let mut runs: Vec<Run> = versions.iter().map(|of| Run::new(of)).collect();
        for (pick, killed) in order {
            let index = pick.index(runs.len());
            if killed {
                runs[index].state = State::Planning;
            } else {
                runs[index].step(&mut world);
            }
        }
        for run in runs.iter_mut().filter(|run| !run.done()) {
            run.state = State::Planning;
            while !run.done() {
                run.step(&mut world);
            }
        }
        prop_assert_eq!(&world.tags, &expected(&versions));
    }
}
