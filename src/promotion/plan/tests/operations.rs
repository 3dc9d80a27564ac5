//! Releases, a withdrawal and a rollback that run at the same time, and runs that are killed: every order of their steps
//! ends with each channel at the highest version that counts (I4, I8).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::promotion::{Rollback, RollbackTarget, Scope};

const RELEASES: [&str; 4] = ["1.2.0", "1.2.1", "1.3.0", "2.0.0"];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Command {
    Promote(&'static str),
    Withdraw(&'static str),
    RollBack { to: &'static str },
}

/// A command as `ops` runs it. Between any two steps another one may do a step.
#[derive(Debug, Clone)]
struct Run {
    command: Command,
    state: State,
    killed: bool,
}

#[derive(Debug, Clone)]
enum State {
    Starting,
    /// Writes as planned, whatever the tag shows by now: the worst that HEAD and PUT without a comparison can do.
    Writing(Vec<TagMove>, BTreeSet<Tag>),
    Looking(BTreeSet<Tag>),
    Done,
}

/// Everything read, as if every version tag had been examined.
fn all(world: &World, of: Option<&str>, allowed: Vec<AllowedTag>) -> PlanInput {
    let mut input = world.input(allowed, of, &of.map_or_else(|| Digest::of(b"none"), digest));
    for (tag, target) in &world.tags {
        input.targets.insert(tag.clone(), Some(target.clone()));
    }
    for (digest, records) in &world.records {
        input.records.insert(digest.clone(), DigestRecords::Read(records.clone()));
    }
    input
}

fn restored(world: &World, channels: impl IntoIterator<Item = Tag>, lagging: Lagging) -> Vec<TagMove> {
    let input = all(world, None, Vec::new());
    let line = |tag: Tag| {
        let scope = Scope::of_tag(&tag).unwrap();
        restore(&input, &AllowedTag { tag, class: TagClass::Channel(scope.clone()) }, &scope, lagging).unwrap()
    };
    channels.into_iter().map(line).filter(|line| line.action.writes()).collect()
}

fn withdrawn_channels(world: &World) -> Vec<Tag> {
    let input = all(world, None, Vec::new());
    world.tags.keys().filter(|tag| Scope::of_tag(tag).is_some() && shows_withdrawn(&input, tag)).cloned().collect()
}

impl Run {
    fn new(command: Command) -> Self {
        Self { command, state: State::Starting, killed: false }
    }

    fn done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    fn step(&mut self, world: &mut World, clock: &mut i64) {
        *clock += 1;
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Starting => self.start(world, *clock),
            State::Writing(mut moves, mut written) => match moves.pop() {
                None => State::Looking(written),
                Some(line) => {
                    let before = world.tags.insert(line.tag.clone(), line.to.clone());
                    assert!(line.class != TagClass::Version || before.is_none_or(|before| before == line.to));
                    written.insert(line.tag);
                    State::Writing(moves, written)
                }
            },
            State::Looking(written) => self.look(world, written),
            State::Done => State::Done,
        };
    }

    fn start(&self, world: &mut World, clock: i64) -> State {
        let writing = |mut moves: Vec<TagMove>, seen| {
            moves.reverse();
            State::Writing(moves, seen)
        };
        match &self.command {
            Command::Promote(of) => {
                if !world.records.contains_key(&digest(of)) {
                    *world = std::mem::take(world).record(of);
                }
                let plan = plan_tags(&world.release(of));
                assert!(plan.undecided.is_empty() && !plan.moves.iter().any(|m| m.action == Action::Conflict));
                if !plan.denials.is_empty() {
                    return State::Done;
                }
                let moves: Vec<TagMove> = plan.moves.iter().filter(|line| line.action.writes()).cloned().collect();
                let passed = plan.moves.iter().filter(|l| l.action == Action::Skip && l.from.is_some());
                let passed = passed.filter(|_| !moves.is_empty()).map(|l| l.tag.clone()).collect();
                writing(moves, passed)
            }
            Command::Withdraw(of) => {
                if !world.tags.contains_key(&tag(of)) {
                    return State::Done;
                }
                *world = std::mem::take(world).withdraw(of);
                State::Looking(BTreeSet::new())
            }
            Command::RollBack { to } => match self.rollback(world, to, clock) {
                Some((holder, rollback)) => {
                    let records = world.records.get_mut(&holder).unwrap();
                    records.iter_mut().for_each(|r| r.rollbacks.push(rollback.clone()));
                    State::Looking(BTreeSet::new())
                }
                None => State::Looking(BTreeSet::new()),
            },
        }
    }

    /// The statement and what it is attached to; `None` where there is nothing to say.
    fn rollback(&self, world: &World, to: &str, clock: i64) -> Option<(Digest, RecordedRollback)> {
        let channel = tag("latest");
        if !world.tags.contains_key(&tag(to)) {
            return None;
        }
        let input = all(world, None, Vec::new());
        let shown = shown_version(&input, &channel).unwrap()?;
        let best = match best_of(&input, &channel, &Scope::of_tag(&channel).unwrap(), None).unwrap() {
            Best::Version { version, .. } => version,
            Best::Nothing | Best::Examine(_) => return None,
        };
        let active = input.hold(&channel).filter(|hold| best <= hold.held_through);
        let target = RollbackTarget { version: version(to), digest: digest(to) };
        let withdrawn = world.records[&digest(to)].iter().any(|r| r.withdrawn);
        if withdrawn || active.is_some_and(|hold| hold.to == target) || (best == target.version && shown == best) {
            return None;
        }
        let from = if shown > target.version { shown.clone() } else { best };
        let through = from.max(target.version.clone()).max(active.map_or(version(to), |h| h.held_through.clone()));
        let holder = digest(&through.to_string());
        let rollback = Rollback {
            repository: repository(),
            channel,
            from: Some(shown),
            to: target,
            held_through: through,
            sequence: 1,
            reason: String::new(),
        };
        Some((holder, RecordedRollback { rollback, at: jiff::Timestamp::from_second(clock).unwrap() }))
    }

    fn look(&self, world: &World, written: BTreeSet<Tag>) -> State {
        let moves = match &self.command {
            Command::Promote(of) => {
                let after = next_after_list(&world.release(of), &written);
                assert!(after.conflicts.is_empty() && after.undecided.is_empty(), "{after:?}");
                let mut moves = after.moves;
                moves.extend(restored(world, after.restore, Lagging::Leave));
                moves
            }
            Command::Withdraw(_) => restored(world, withdrawn_channels(world), Lagging::Leave),
            Command::RollBack { .. } if world.tags.contains_key(&tag("latest")) => {
                let held = all(world, None, Vec::new()).hold(&tag("latest")).is_some();
                restored(world, held.then(|| tag("latest")), Lagging::Advance)
            }
            Command::RollBack { .. } => Vec::new(),
        };
        if moves.is_empty() { State::Done } else { State::Writing(moves.into_iter().rev().collect(), written) }
    }
}

/// Where each channel belongs, told without the plan's code.
fn expected(world: &World) -> BTreeMap<Tag, String> {
    let rollbacks = || world.records.values().flatten().flat_map(|r| &r.rollbacks);
    let hold = rollbacks().max_by_key(|r| r.at).map(|r| &r.rollback);
    let mut shown = BTreeMap::new();
    for of in RELEASES {
        let Some(releases) = world.records.get(&digest(of)) else { continue };
        if releases.iter().any(|r| r.withdrawn) || !world.tags.contains_key(&tag(of)) {
            continue;
        }
        for allowed in release_tags(of).into_iter().filter(|a| matches!(a.class, TagClass::Channel(_))) {
            let held = allowed.tag == tag("latest")
                && hold.is_some_and(|h| version(of) > h.to.version && version(of) <= h.held_through);
            // RELEASES is in order, so the last that counts stays.
            if !held {
                shown.insert(allowed.tag, of.to_owned());
            }
        }
    }
    shown
}

fn check(world: &World, what: &str) -> Result<(), TestCaseError> {
    for (channel, of) in expected(world) {
        let shows = RELEASES.iter().find(|r| world.tags.get(&channel) == Some(&digest(r)));
        prop_assert_eq!(shows, Some(&of.as_str()), "{} at the end: {}", channel, what);
    }
    Ok(())
}

fn finish(runs: &mut [Run], world: &mut World, clock: &mut i64) -> Result<(), TestCaseError> {
    for run in runs.iter_mut() {
        for steps in 0.. {
            prop_assert!(steps < 200, "it does not end: {:?}", run);
            if run.done() {
                break;
            }
            run.step(world, clock);
        }
    }
    Ok(())
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let promoted = proptest::sample::subsequence(RELEASES.to_vec(), 2..=3);
    let operator = proptest::sample::subsequence(
        vec![
            Command::Withdraw("1.3.0"),
            Command::Withdraw("1.2.1"),
            Command::Withdraw("2.0.0"),
            Command::RollBack { to: "1.2.0" },
            Command::RollBack { to: "1.2.1" },
        ],
        0..=2,
    );
    (promoted, operator)
        .prop_map(|(promoted, operator)| promoted.into_iter().map(Command::Promote).chain(operator).collect())
}

type Order = Vec<(prop::sample::Index, bool)>;

fn order(kills: f64) -> impl Strategy<Value = Order> {
    proptest::collection::vec((any::<prop::sample::Index>(), proptest::bool::weighted(kills)), 0..120)
}

/// Starts from `before`, all promoted one after another.
fn begin(before: &[&'static str]) -> (World, i64) {
    let (mut world, mut clock) = (World::default(), 0);
    for of in before {
        let mut run = Run::new(Command::Promote(of));
        while !run.done() {
            run.step(&mut world, &mut clock);
        }
    }
    (world, clock)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn i4_interleaved_promotes_withdrawals_and_rollbacks_end_at_what_counts(
        before in proptest::sample::subsequence(RELEASES.to_vec(), 0..=4), commands in commands(), order in order(0.0),
    ) {
        let (mut world, mut clock) = begin(&before);
        let mut runs: Vec<Run> = commands.iter().cloned().map(Run::new).collect();
        for (pick, _) in order {
            let index = pick.index(runs.len());
            runs[index].step(&mut world, &mut clock);
        }
        finish(&mut runs, &mut world, &mut clock)?;
        check(&world, &format!("{commands:?}"))?;
    }

    #[test]
    fn i8_killed_promotes_withdrawals_and_rollbacks_are_finished_by_the_same_commands(
        before in proptest::sample::subsequence(RELEASES.to_vec(), 0..=4), commands in commands(), order in order(0.15),
    ) {
        let (mut world, mut clock) = begin(&before);
        let mut runs: Vec<Run> = commands.iter().cloned().map(Run::new).collect();
        for (pick, kill) in order {
            let index = pick.index(runs.len());
            if kill && !runs[index].done() {
                (runs[index].state, runs[index].killed) = (State::Starting, true);
            } else {
                runs[index].step(&mut world, &mut clock);
            }
        }
        finish(&mut runs, &mut world, &mut clock)?;
        // A promote that was killed and is then denied leaves its channels to the withdrawal's own rerun.
        for run in runs.iter_mut().filter(|run| matches!(run.command, Command::Withdraw(_))) {
            run.state = State::Starting;
        }
        finish(&mut runs, &mut world, &mut clock)?;
        check(&world, &format!("{commands:?}"))?;
    }
}
