//! `promote`, `withdraw` and `rollback` as `ops` runs them, one step at a time: what is read, decided and written between
//! two points where another command may do something.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::promotion::{Rollback, RollbackTarget, Scope};

/// In order, lowest first.
pub(super) const RELEASES: [&str; 4] = ["1.2.0", "1.2.1", "1.3.0", "2.0.0"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Promote(&'static str),
    Withdraw(&'static str),
    /// `rollback REPO:latest --to V`
    RollBack {
        to: &'static str,
    },
}

/// What a PUT does when the tag does not show what the plan saw. There is no comparison in a PUT: whoever wrote between
/// our HEAD and our PUT is overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// The other write came after our HEAD.
    Blind,
    /// The other write came before it: ours is left out.
    AfterLook,
}

/// What a command knows of its own writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Progress {
    written: BTreeMap<Tag, Digest>,
    contested: BTreeSet<Tag>,
    /// Further channels for the second look.
    others: BTreeSet<Tag>,
    /// Channels that count for it only once something was written.
    passed: BTreeSet<Tag>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Starting,
    /// Decided; what it says is not attached yet.
    Stating(Vec<TagMove>, Option<Box<(Digest, RecordedRollback)>>),
    Writing(Vec<TagMove>),
    Looking,
    Done,
}

#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) command: Command,
    state: State,
    progress: Progress,
    /// Its statement stood before.
    rerun: bool,
    killed: bool,
    denied: bool,
}

/// Everything read, as if every version tag had been examined.
fn all(world: &World) -> PlanInput {
    let mut input = world.input(Vec::new(), None, &Digest::of(b"none"));
    for (tag, target) in &world.tags {
        input.targets.insert(tag.clone(), Some(target.clone()));
    }
    for (digest, records) in &world.records {
        input.records.insert(digest.clone(), DigestRecords::Read(records.clone()));
    }
    input
}

fn restored(world: &World, channels: impl IntoIterator<Item = Tag>) -> Vec<TagMove> {
    let input = all(world);
    let line = |tag: Tag| {
        let scope = Scope::of_tag(&tag).unwrap();
        let mut input = input.clone();
        input.targets.entry(tag.clone()).or_insert(None);
        restore(&input, &AllowedTag { tag, class: TagClass::Channel(scope.clone()) }, &scope).unwrap()
    };
    let mut moves: Vec<TagMove> = channels.into_iter().map(line).filter(|line| line.action.writes()).collect();
    moves.sort_by_key(TagMove::phase);
    moves
}

/// Is there a version tag of it, in either spelling?
fn listed(world: &World, of: &str) -> bool {
    [of.to_owned(), format!("v{of}")].iter().any(|name| world.tags.contains_key(&tag(name)))
}

fn withdrawn(world: &World, of: &str) -> bool {
    world.records.get(&digest(of)).into_iter().flatten().any(|r| r.withdrawn)
}

impl Run {
    pub(super) fn new(command: Command) -> Self {
        let progress = Progress::default();
        Self { command, state: State::Starting, progress, rerun: false, killed: false, denied: false }
    }

    pub(super) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// The same command is to be run again, from its start, without memory.
    pub(super) fn again(&mut self) {
        *self = Self { killed: self.killed, ..Self::new(self.command.clone()) };
    }

    pub(super) fn kill(&mut self) {
        self.killed = true;
        self.again();
    }

    /// Of a killed command that was then denied: the version whose withdrawal has to finish for it.
    pub(super) fn left_to(&self) -> Option<&'static str> {
        let (Command::Promote(of) | Command::Withdraw(of) | Command::RollBack { to: of }) = self.command;
        (self.killed && self.denied).then_some(of)
    }

    /// Everything that what it does next depends on, short.
    pub(super) fn key(&self) -> String {
        let end = format!("{}{}", u8::from(self.killed), u8::from(self.denied));
        let lines = |moves: &[TagMove]| -> Vec<String> {
            let line = |l: &TagMove| format!("{} {} {}", l.tag, name(l.from.as_ref()), name(Some(&l.to)));
            moves.iter().map(line).collect()
        };
        let state = match &self.state {
            State::Done => return format!("done {end}"),
            State::Starting => return format!("starting {end}"),
            State::Stating(moves, rollback) => {
                format!("stating {:?} {}", lines(moves), rollback_key(rollback.as_deref()))
            }
            State::Writing(moves) => format!("writing {:?}", lines(moves)),
            State::Looking => "looking".to_owned(),
        };
        let Progress { written, contested, others, passed } = &self.progress;
        let written: Vec<String> = written.iter().map(|(tag, to)| format!("{tag} {}", name(Some(to)))).collect();
        let tags = |tags: &BTreeSet<Tag>| tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let [contested, others, passed] = [contested, others, passed].map(tags);
        format!("{state} {written:?} {contested}/{others}/{passed} {end}{}", u8::from(self.rerun))
    }

    pub(super) fn step(&mut self, world: &mut World, put: Put) {
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Starting => self.start(world),
            State::Stating(moves, rollback) => self.state_it(world, moves, rollback),
            State::Writing(mut moves) => match moves.pop() {
                None => State::Looking,
                Some(line) => {
                    self.write(world, &line, put);
                    State::Writing(moves)
                }
            },
            State::Looking => self.look(world),
            State::Done => State::Done,
        };
    }

    fn write(&mut self, world: &mut World, line: &TagMove, put: Put) {
        let shows = world.tags.get(&line.tag);
        assert!(line.class != TagClass::Version || shows.is_none_or(|shows| *shows == line.to), "{line:?}");
        if shows == line.from.as_ref() || put == Put::Blind {
            world.tags.insert(line.tag.clone(), line.to.clone());
            self.progress.written.insert(line.tag.clone(), line.to.clone());
        } else if shows != Some(&line.to) {
            self.progress.contested.insert(line.tag.clone());
        }
    }

    fn start(&mut self, world: &World) -> State {
        match self.command {
            Command::Promote(of) => {
                let input = world.release(of);
                let plan = plan_tags(&input);
                assert!(plan.undecided.is_empty() && !plan.moves.iter().any(|m| m.action == Action::Conflict));
                if !plan.denials.is_empty() {
                    self.denied = true;
                    return State::Done;
                }
                let passed = plan.moves.iter().filter(|l| l.action == Action::Skip);
                self.progress.passed = passed.map(|line| line.tag.clone()).collect();
                self.progress.others = left_over(&input);
                let moves: Vec<TagMove> = plan.moves.into_iter().filter(|line| line.action.writes()).rev().collect();
                if moves.is_empty() && self.progress.others.is_empty() {
                    return State::Done;
                }
                State::Stating(moves, None)
            }
            Command::Withdraw(of) => {
                if !listed(world, of) {
                    return State::Done;
                }
                self.rerun = withdrawn(world, of);
                State::Stating(Vec::new(), None)
            }
            Command::RollBack { to } => self.start_rollback(world, to),
        }
    }

    fn start_rollback(&mut self, world: &World, to: &'static str) -> State {
        let channel = tag("latest");
        let input = all(world);
        let Some(shown) = shown_version(&input, &channel).unwrap() else { return State::Done };
        if !listed(world, to) {
            return State::Done;
        }
        if withdrawn(world, to) {
            self.denied = true;
            return State::Done;
        }
        let best = match best_of(&input, &channel, &Scope::of_tag(&channel).unwrap(), None).unwrap() {
            Best::Version { version, .. } => Some(version),
            Best::Nothing | Best::Examine(_) => None,
        };
        let active = input.hold(&channel).filter(|hold| best.as_ref().is_none_or(|best| *best <= hold.held_through));
        let target = RollbackTarget { version: version(to), digest: digest(to) };
        if best.as_ref() == Some(&target.version) && shown == target.version {
            return State::Done;
        }
        if active.is_some_and(|hold| hold.to == target) {
            return State::Stating(Vec::new(), None);
        }
        let from = if shown > target.version { Some(shown.clone()) } else { best };
        let reaches = [Some(target.version.clone()), from, active.map(|hold| hold.held_through.clone())];
        let through = reaches.into_iter().flatten().max().unwrap();
        let sequence = input.hold(&channel).map_or(0, |hold| hold.sequence) + 1;
        let holder = digest(&through.to_string());
        let (repository, reason) = (repository(), String::new());
        let rollback =
            Rollback { repository, channel, from: Some(shown), to: target, held_through: through, sequence, reason };
        State::Stating(
            Vec::new(),
            Some(Box::new((holder, RecordedRollback { rollback, at: jiff::Timestamp::UNIX_EPOCH }))),
        )
    }

    /// The statement stands from now on.
    fn state_it(
        &self,
        world: &mut World,
        moves: Vec<TagMove>,
        rollback: Option<Box<(Digest, RecordedRollback)>>,
    ) -> State {
        match self.command {
            Command::Promote(of) => {
                if !world.records.contains_key(&digest(of)) {
                    *world = std::mem::take(world).record(of);
                }
                State::Writing(moves)
            }
            Command::Withdraw(of) => {
                *world = std::mem::take(world).withdraw(of);
                State::Looking
            }
            Command::RollBack { .. } => {
                if let Some((holder, mut rollback)) = rollback.map(|both| *both) {
                    let said = world.records.values().flatten().map(|r| r.rollbacks.len()).sum::<usize>();
                    rollback.at = jiff::Timestamp::from_second(i64::try_from(said).unwrap() + 1).unwrap();
                    world.records.get_mut(&holder).unwrap().iter_mut().for_each(|r| r.rollbacks.push(rollback.clone()));
                }
                State::Looking
            }
        }
    }

    fn look(&mut self, world: &World) -> State {
        let Progress { written, contested, others, passed } = &self.progress;
        let touched: BTreeSet<Tag> = written.keys().chain(contested).cloned().collect();
        let moves = match &self.command {
            Command::Promote(of) => {
                let mut input = world.release(of);
                let list: Vec<Tag> = world.tags.keys().cloned().collect();
                if tags_to_examine(input.version.as_ref(), &input.allowed, &list).is_empty() {
                    // Not asked again: see `Known::confirmed`.
                    input.targets.extend(written.iter().map(|(tag, digest)| (tag.clone(), Some(digest.clone()))));
                }
                let passed = passed.iter().filter(|_| !written.is_empty());
                let channels: BTreeSet<Tag> = touched.iter().chain(others).chain(passed).cloned().collect();
                if channels.is_empty() {
                    return State::Done;
                }
                let after = next_after_list(&input, &channels);
                assert!(after.conflicts.is_empty() && after.undecided.is_empty(), "{after:?}");
                let mut moves = after.moves;
                moves.extend(restored(world, after.restore));
                moves
            }
            Command::Withdraw(of) => {
                let touched = if self.rerun { Touched::Unknown } else { Touched::These(touched) };
                let mut input = all(world);
                input.digest = digest(of);
                let mut channels = withdrawal_channels(&input, &version(of));
                for channel in &channels {
                    input.targets.entry(channel.clone()).or_insert(None);
                }
                channels.retain(|tag| concerns_withdrawal(&input, tag, &touched).unwrap());
                restored(world, channels)
            }
            Command::RollBack { .. } => restored(world, [tag("latest")]),
        };
        if moves.is_empty() { State::Done } else { State::Writing(moves.into_iter().rev().collect()) }
    }
}

/// Which release a digest is.
fn name(of: Option<&Digest>) -> &'static str {
    RELEASES.into_iter().find(|release| of == Some(&digest(release))).unwrap_or("-")
}

fn rollback_key(said: Option<&(Digest, RecordedRollback)>) -> String {
    said.map(|(_, r)| format!("{}..{}", r.rollback.to.version, r.rollback.held_through)).unwrap_or_default()
}

/// All that can differ between two repositories, short.
pub(super) fn world_key(world: &World) -> String {
    let mut words: Vec<String> = world.tags.iter().map(|(tag, at)| format!("{tag}={}", name(Some(at)))).collect();
    for (digest, releases) in &world.records {
        for release in releases {
            let said = release
                .rollbacks
                .iter()
                .map(|r| format!("{}@{}", rollback_key(Some(&(digest.clone(), r.clone()))), r.at));
            let said: Vec<String> = said.collect();
            words.push(format!("{} {} {said:?}", name(Some(digest)), release.withdrawn));
        }
    }
    words.join(" ")
}

/// Where each channel belongs, told without the plan's code.
pub(super) fn expected(world: &World) -> BTreeMap<Tag, String> {
    let rollbacks = || world.records.values().flatten().flat_map(|r| &r.rollbacks);
    let hold = rollbacks().max_by_key(|r| r.at).map(|r| &r.rollback);
    let mut shown = BTreeMap::new();
    for of in RELEASES {
        if !world.records.contains_key(&digest(of)) || withdrawn(world, of) || !listed(world, of) {
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

/// The channels that do not show what they should, as `1: 1.2.0 instead of 1.3.0`.
pub(super) fn wrong(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for (channel, of) in expected(world) {
        let shows = RELEASES.iter().find(|r| world.tags.get(&channel) == Some(&digest(r)));
        if shows != Some(&of.as_str()) {
            wrong.push(format!("{channel}: {} instead of {of}", shows.unwrap_or(&"nothing")));
        }
    }
    wrong
}

/// More than any command needs alone.
const MAX_STEPS: usize = 200;

/// Runs each to its end, one after another; then, for killed commands that are denied now, the withdrawals that denied
/// them once more: what they left half done is theirs to finish.
pub(super) fn finish(runs: &mut [Run], world: &mut World) -> Result<(), String> {
    let to_the_end = |run: &mut Run, world: &mut World| {
        let mut steps = 0;
        while !run.done() {
            run.step(world, Put::Blind);
            steps += 1;
            if steps > MAX_STEPS {
                return Err(format!("it does not end: {run:?}"));
            }
        }
        Ok(())
    };
    for run in runs.iter_mut() {
        to_the_end(run, world)?;
    }
    let left: BTreeSet<&'static str> = runs.iter().filter_map(Run::left_to).collect();
    for of in left {
        to_the_end(&mut Run::new(Command::Withdraw(of)), world)?;
    }
    Ok(())
}

/// Starts from `before`, all promoted one after another.
pub(super) fn begin(before: &[&'static str]) -> World {
    let mut world = World::default();
    for of in before {
        finish(&mut [Run::new(Command::Promote(of))], &mut world).unwrap();
    }
    world
}
