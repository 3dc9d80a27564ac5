//! Rules of "Records, channels, reruns" as tables, and interleaved releases as properties.

mod commands;
mod exhaustive;
mod interleaving;
mod operations;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::oci::{Digest, Repository, Tag};
use crate::promotion::record::{GitSource, RecordImage, RecordScanner};
use crate::promotion::{AllowedTag, GitRef, Record, Version};
use crate::tags::{Build, GitContext, Preset, Target};

/// `PROPTEST_CASES` asks for more.
fn cases(usual: u32) -> proptest::test_runner::Config {
    let asked = std::env::var_os("PROPTEST_CASES").and_then(|n| n.to_str()?.parse().ok());
    proptest::test_runner::Config::with_cases(asked.unwrap_or(usual))
}

fn repository() -> Repository {
    "ghcr.io/a/b".parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// The digest of a release's image; `!` makes it another build of the same version.
fn digest(of: &str) -> Digest {
    Digest::of(of.as_bytes())
}

fn allowed(preset: Preset, git_ref: &str) -> Vec<AllowedTag> {
    let commit = "abc1234".repeat(6)[..40].parse().ok();
    let context = GitContext { git_ref: git_ref.parse().unwrap(), commit, target: Target::Prod };
    preset.tags(&Build::of(None, &context).unwrap(), &context).unwrap()
}

fn release_tags(of: &str) -> Vec<AllowedTag> {
    allowed(Preset::Both, &format!("refs/tags/v{of}"))
}

fn record(of: &str, digest: &Digest) -> Record {
    let tags = release_tags(of).into_iter().map(|allowed| allowed.tag).collect();
    Record {
        version: Some(version(of)),
        git: GitSource { git_ref: GitRef::of_version(&version(of)), commit: "a".repeat(40).parse().ok() },
        images: vec![RecordImage { repository: repository(), digest: digest.clone(), tags }],
        policy: Digest::of(b"policy"),
        exceptions: vec![],
        scanner: RecordScanner {
            digest: Digest::of(b"trivy"),
            database: Digest::of(b"db"),
            database_updated_at: "2026-11-21T00:00:00Z".parse().unwrap(),
        },
        evidence: vec![],
        observed: vec![],
    }
}

/// A repository: what tags show, and which digests have records.
#[derive(Debug, Clone, Default)]
struct World {
    tags: BTreeMap<Tag, Digest>,
    records: BTreeMap<Digest, Vec<RecordedRelease>>,
}

impl World {
    fn record(mut self, of: &str) -> Self {
        let recorded = RecordedRelease { record: record(of, &digest(of)), withdrawn: false, rollbacks: vec![] };
        self.records.entry(digest(of)).or_default().push(recorded);
        self
    }

    fn withdraw(mut self, of: &str) -> Self {
        self.records.get_mut(&digest(of)).unwrap().iter_mut().for_each(|r| r.withdrawn = true);
        self
    }

    fn point(mut self, names: &str, of: &str) -> Self {
        for name in names.split_whitespace() {
            self.tags.insert(tag(name), digest(of));
        }
        self
    }

    /// Recorded, and with these tags.
    fn released(self, of: &str, channels: &str) -> Self {
        self.record(of).point(&format!("v{of} {of} {channels}"), of)
    }

    fn input(&self, allowed: Vec<AllowedTag>, of: Option<&str>, ours: &Digest) -> PlanInput {
        let list: Vec<Tag> = self.tags.keys().cloned().collect();
        let version = of.map(version);
        let mut needed: Vec<Tag> = allowed.iter().map(|allowed| allowed.tag.clone()).collect();
        needed.extend(tags_to_examine(version.as_ref(), &allowed, &list));
        let targets = needed.into_iter().map(|tag| (tag.clone(), self.tags.get(&tag).cloned())).collect();
        let mut input = PlanInput {
            repository: repository(),
            digest: ours.clone(),
            version,
            allowed,
            list: TagList::Complete(list),
            targets,
            records: BTreeMap::new(),
            branches: BTreeMap::new(),
            adoption: Adoption::none(),
        };
        for digest in input.digests_to_read() {
            let records = self.records.get(&digest).cloned().unwrap_or_default();
            input.records.insert(digest, DigestRecords::Read(records));
        }
        input
    }

    fn release(&self, of: &str) -> PlanInput {
        self.input(release_tags(of), Some(of), &digest(of))
    }
}

/// `+v1.2.3 =1 -latest(not-highest)`, and `?code` for what is undecided, `denied-code`.
fn show(plan: &TagPlan) -> String {
    let mut words: Vec<String> = plan.moves.iter().map(line).collect();
    words.extend(plan.undecided.iter().map(|why| format!("?{}", why.code)));
    words.extend(plan.denials.iter().map(|why| format!("denied:{}", why.code)));
    words.join(" ")
}

fn line(line: &TagMove) -> String {
    let why = line.why.as_ref().map(|why| format!("({})", why.code)).unwrap_or_default();
    format!("{}{}{why}", line.action.sign(), line.tag)
}

fn plan(input: &PlanInput) -> String {
    show(&plan_tags(input))
}

#[test]
fn a_first_release_creates_versions_first_and_latest_last() {
    assert_eq!(plan(&World::default().release("1.2.3")), "+v1.2.3 +1.2.3 +1.2 +1 +latest");
    assert_eq!(plan(&World::default().release("0.1.0")), "+v0.1.0 +0.1.0 +0.1 +latest");
}

#[test]
fn a_patch_moves_the_channels_of_a_recorded_lower_version() {
    let world = World::default().released("1.2.3", "1.2 1 latest");
    assert_eq!(plan(&world.release("1.2.4")), "+v1.2.4 +1.2.4 ~1.2 ~1 ~latest");
    let moves = plan_tags(&world.release("1.2.4")).moves;
    assert_eq!((moves[2].from.clone(), moves[2].to.clone()), (Some(digest("1.2.3")), digest("1.2.4")));
    assert_eq!(plan(&world.release("1.3.0")), "+v1.3.0 +1.3.0 +1.3 ~1 ~latest");
}

#[test]
fn i4_a_backport_never_takes_a_channel_of_a_higher_version() {
    let world = World::default().released("1.2.3", "1.2").released("1.3.0", "1.3 1").released("2.0.0", "2.0 2 latest");
    assert_eq!(plan(&world.release("1.2.4")), "+v1.2.4 +1.2.4 ~1.2 -1(not-highest) -latest(not-highest)");
    // Higher versions without channels of their own (their run was killed, or still runs) outrank us as well.
    let killed = World::default().released("1.2.3", "1.2 1 latest").released("1.3.0", "");
    assert_eq!(plan(&killed.release("1.2.4")), "+v1.2.4 +1.2.4 ~1.2 -1(not-highest) -latest(not-highest)");
    // A channel that shows a higher recorded version stays, even where that version's own tag was deleted.
    let deleted = World::default().record("1.3.0").point("1 latest", "1.3.0");
    assert_eq!(plan(&deleted.release("1.2.4")), "+v1.2.4 +1.2.4 +1.2 -1(not-highest) -latest(not-highest)");
}

#[test]
fn i8_a_finished_release_run_again_changes_nothing() {
    let world = World::default().released("1.2.3", "1.2 1 latest");
    assert_eq!(plan(&world.release("1.2.3")), "=v1.2.3 =1.2.3 =1.2 =1 =latest");
    let world = world.released("1.3.0", "1.3 1 latest");
    let again = plan_tags(&world.release("1.2.3"));
    assert_eq!(show(&again), "=v1.2.3 =1.2.3 =1.2 -1(not-highest) -latest(not-highest)");
    assert_eq!(ReleasePlan::new(vec![again]).outcome(), PlanOutcome::Unchanged);
}

#[test]
fn i5_a_prerelease_touches_no_channel_and_is_in_nobodys_way() {
    let world = World::default().released("1.2.3", "1.2 1 latest");
    assert_eq!(plan(&world.release("2.0.0-rc.1")), "+v2.0.0-rc.1 +2.0.0-rc.1");
    let world = world.point("2.0.0-rc.2", "foreign");
    assert_eq!(plan(&world.release("1.2.4")), "+v1.2.4 +1.2.4 ~1.2 ~1 ~latest");
    // Even if a rule allowed it a channel.
    let mut input = World::default().release("1.2.3");
    input.version = Some(version("1.2.3-rc.1"));
    assert!(plan(&input).ends_with("-1.2(not-highest) -1(not-highest) -latest(not-highest)"));
}

#[test]
fn i3_a_version_tag_with_another_digest_is_a_conflict() {
    let foreign = World::default().point("1.2.3", "foreign");
    assert_eq!(plan(&foreign.release("1.2.3")), "+v1.2.3 !1.2.3(tag-taken) +1.2 +1 +latest");
    let mut adopting = foreign.release("1.2.3");
    adopting.adoption = Adoption::labelled(BTreeMap::new());
    assert!(plan(&adopting).contains("!1.2.3(tag-taken)"));
    // A rebuild: the version's record names another digest.
    let world = World::default().released("1.2.3", "1.2 1 latest");
    let rebuilt = plan_tags(&world.input(release_tags("1.2.3"), Some("1.2.3"), &digest("rebuilt")));
    assert!(show(&rebuilt).starts_with("!v1.2.3(version-recorded) !1.2.3(version-recorded) !1.2(version-recorded)"));
    let why = rebuilt.moves[0].why.clone().unwrap();
    assert!(why.message.contains(&digest("1.2.3").to_string()) && why.help.contains("--resume"));
}

#[test]
fn foreign_targets_stop_the_release_unless_adopted() {
    let world = World::default().point("latest", "old");
    assert_eq!(plan(&world.release("1.2.3")), "+v1.2.3 +1.2.3 +1.2 +1 !latest(foreign-target)");
    let mut named = world.release("1.2.3");
    named.adoption = Adoption::named([(tag("latest"), version("1.0.0"))].into());
    assert_eq!(plan(&named), "+v1.2.3 +1.2.3 +1.2 +1 ~latest");
    named.adoption = Adoption::named([(tag("latest"), version("3.0.0"))].into());
    assert_eq!(plan(&named), "+v1.2.3 +1.2.3 +1.2 +1 -latest(not-highest)");
    named.adoption = Adoption::labelled(BTreeMap::new());
    assert!(plan(&named).ends_with("!latest(foreign-target)"), "no label, no adoption");

    let higher = World::default().point("1.2.9 2.0.0", "old");
    assert_eq!(
        plan(&higher.release("1.2.3")),
        "+v1.2.3 +1.2.3 !1.2(foreign-target) !1(foreign-target) !latest(foreign-target)"
    );
    let mut all = higher.release("1.2.3");
    all.adoption = Adoption::labelled(BTreeMap::new());
    assert_eq!(plan(&all), "+v1.2.3 +1.2.3 -1.2(not-highest) -1(not-highest) -latest(not-highest)");
    // Lower ones compete with nobody.
    assert_eq!(plan(&World::default().point("1.0.0", "old").release("1.2.3")), "+v1.2.3 +1.2.3 +1.2 +1 +latest");
}

#[test]
fn a_first_adoption_keeps_tags_that_already_have_our_digest() {
    let world = World::default().point("1.2.3 latest", "1.2.3");
    assert_eq!(plan(&world.release("1.2.3")), "+v1.2.3 =1.2.3 +1.2 +1 =latest");
}

#[test]
fn a_record_speaks_for_its_own_tags_only() {
    // `latest` was moved by hand to a digest that is recorded, but as a pre-release.
    let world = World::default().record("2.0.0-rc.1").point("latest", "2.0.0-rc.1");
    assert!(plan(&world.release("1.2.3")).ends_with("!latest(foreign-target)"));
    // The tag 9.9.9 was put by hand on a digest that is recorded as 1.2.0.
    let world = World::default().released("1.2.0", "1.2 1 latest").point("9.9.9", "1.2.0");
    assert_eq!(plan(&world.release("1.2.3")), "+v1.2.3 +1.2.3 ~1.2 ~1 !latest(foreign-target)");
}

#[test]
fn withdrawn_versions_do_not_outrank_and_are_left_by_the_highest_that_remains() {
    let world = World::default().released("1.2.3", "1.2 1 latest").released("1.3.0", "1.3").withdraw("1.3.0");
    assert_eq!(plan(&world.release("1.2.4")), "+v1.2.4 +1.2.4 ~1.2 ~1 ~latest");
    // The withdrawal is recorded but has not moved the channels yet.
    let world = world.point("1 latest", "1.3.0");
    assert_eq!(plan(&world.release("1.2.4")), "+v1.2.4 +1.2.4 ~1.2 ~1 ~latest");
    assert_eq!(plan(&world.release("1.2.2")), "+v1.2.2 +1.2.2 -1.2(not-highest) -1(not-highest) -latest(not-highest)");
    assert!(plan(&world.release("1.3.0")).ends_with("denied:withdrawn"));
    assert_eq!(ReleasePlan::new(vec![plan_tags(&world.release("1.3.0"))]).outcome(), PlanOutcome::Denied);
}

#[test]
fn i6_what_could_not_be_looked_up_is_undecided_never_free() {
    let world = World::default().released("1.2.3", "1.2 1 latest").released("1.3.0", "1.3");
    let check = |change: &dyn Fn(&mut PlanInput), code: &str| {
        let mut input = world.release("1.2.4");
        change(&mut input);
        let plan = plan_tags(&input);
        assert!(plan.undecided.iter().all(|why| why.code.as_str() == code) && !plan.undecided.is_empty(), "{plan:?}");
        let release = ReleasePlan::new(vec![plan]);
        assert_eq!(release.outcome(), PlanOutcome::Undecided);
        assert!(release.plans()[0].moves.iter().all(|line| line.action != Action::Move || line.tag == tag("1.2")));
    };
    let unreadable = |why: &str| DigestRecords::Unreadable { why: why.to_owned() };
    check(&|input| input.list = TagList::Unreadable { why: "503".to_owned() }, "list-incomplete");
    check(&|input| drop(input.targets.remove(&tag("1.3.0"))), "target-unknown");
    check(&|input| drop(input.targets.remove(&tag("v1.2.4"))), "target-unknown");
    check(&|input| drop(input.records.insert(digest("1.3.0"), unreadable("429"))), "target-unknown");
    check(&|input| drop(input.records.insert(digest("1.2.4"), unreadable("401"))), "target-unknown");
    check(&|input| drop(input.records.remove(&digest("1.3.0"))), "target-unknown");
}

#[test]
fn a_prerelease_and_a_branch_build_do_not_need_the_tag_list() {
    let mut input = World::default().release("1.2.3-rc.1");
    input.list = TagList::Unreadable { why: "503".to_owned() };
    assert_eq!(plan(&input), "+v1.2.3-rc.1 +1.2.3-rc.1");
}

#[test]
fn branch_commit_and_pull_request_tags_follow_their_classes() {
    let ours = digest("ours");
    let tags = || allowed(Preset::Brokkr, "refs/heads/main");
    assert_eq!(plan(&World::default().input(tags(), None, &ours)), "+main-sha-abc1234 +sha-abc1234 +main");
    let world = World::default().point("main sha-abc1234", "other");
    let mut input = world.input(tags(), None, &ours);
    let skipped = "+main-sha-abc1234 -sha-abc1234(commit-already-published) -main(not-descendant)";
    assert_eq!(plan(&input), skipped, "unknown ancestry");
    input.branches.insert(tag("main"), Ancestry::NotDescendant);
    assert_eq!(plan(&input), skipped);
    input.branches.insert(tag("main"), Ancestry::Descendant);
    assert!(plan(&input).ends_with("~main"));
    assert_eq!(ReleasePlan::new(vec![plan_tags(&input)]).outcome(), PlanOutcome::Ready);
    let pull = World::default().point("pr-7", "other").input(allowed(Preset::Both, "refs/pull/7/merge"), None, &ours);
    assert_eq!(plan(&pull), "~pr-7");
}

#[test]
fn a_conflict_in_one_repository_is_a_conflict_of_the_release() {
    let other: Repository = "ghcr.io/a/c".parse().unwrap();
    let good = plan_tags(&World::default().release("1.2.3"));
    let mut bad = World::default().point("1.2.3", "foreign").release("1.2.3");
    bad.repository = other.clone();
    let release = ReleasePlan::new(vec![good.clone(), plan_tags(&bad)]);
    assert_eq!((release.outcome(), release.obstacles().len()), (PlanOutcome::Conflict, 1));
    let phases: Vec<usize> = Phase::ALL.iter().map(|phase| release.phase(*phase).count()).collect();
    assert_eq!(phases, [4, 4, 2]);

    // A sibling was rebuilt: its own tags are still free, but the record on our digest names another build of it.
    let mut world = World::default().record("1.2.3");
    let images = &mut world.records.get_mut(&digest("1.2.3")).unwrap()[0].record.images;
    images.push(RecordImage { repository: other.clone(), digest: digest("first build"), tags: vec![] });
    let mut rebuilt = World::default().input(release_tags("1.2.3"), Some("1.2.3"), &digest("second build"));
    rebuilt.repository = other;
    let release = ReleasePlan::new(vec![plan_tags(&world.release("1.2.3")), plan_tags(&rebuilt)]);
    assert_eq!(release.outcome(), PlanOutcome::Conflict);
    assert_eq!(release.obstacles()[0].code.as_str(), "version-recorded");
}

fn again(input: &PlanInput, written: &str) -> (String, AfterList) {
    let after = next_after_list(input, &written.split_whitespace().map(tag).collect());
    let mut words: Vec<String> = after.moves.iter().map(line).collect();
    words.extend(after.conflicts.iter().chain(&after.undecided).map(|why| format!("!{}", why.code)));
    (words.join(" "), after)
}

#[test]
fn after_the_last_channel_a_higher_version_that_appeared_gets_it_under_its_record() {
    let ours = World::default().released("1.2.3", "1.2 1 latest");
    assert_eq!(again(&ours.release("1.2.3"), "1.2 1 latest").0, "");
    let raced = ours.clone().released("1.3.0", "1.3");
    let (shown, after) = again(&raced.release("1.2.3"), "1.2 1 latest");
    assert_eq!(shown, "~1 ~latest");
    assert!(after.moves.iter().all(|line| line.to == digest("1.3.0") && line.from == Some(digest("1.2.3"))));
    // A run that was killed before its second look is finished by the next, which writes nothing before.
    assert_eq!(again(&raced.release("1.2.3"), "").0, "~1 ~latest");
    // Channels that this run neither wrote nor holds are not its business.
    let passed = World::default().released("1.2.2", "1.2 1 latest").released("1.3.0", "").released("1.2.3", "1.2");
    assert_eq!(again(&passed.release("1.2.3"), "1.2").0, "");
    // The other run was faster.
    assert_eq!(again(&raced.clone().point("1 latest", "1.3.0").release("1.2.3"), "1.2 1 latest").0, "");
    // A lower version overwrote ours.
    let lost = ours.clone().released("1.2.2", "").point("1.2", "1.2.2");
    assert_eq!(again(&lost.release("1.2.3"), "1.2 1 latest").0, "~1.2");
    let foreign = ours.point("latest", "foreign");
    assert_eq!(again(&foreign.release("1.2.3"), "latest").0, "!tag-moved");
    let mut blind = foreign.release("1.2.3");
    blind.list = TagList::Unreadable { why: "503".to_owned() };
    assert_eq!(again(&blind, "1 latest").0, "!list-incomplete !list-incomplete !list-incomplete");
    assert!(!next_after_list(&blind, &[tag("1")].into()).is_stable());
}

#[test]
fn i8_a_rerun_looks_at_every_channel_that_the_run_before_may_have_written() {
    let left = |world: &World| left_over(&world.release("1.2.3")).iter().map(Tag::to_string).collect::<Vec<_>>();
    let world = World::default().released("1.2.3", "1.2").released("1.3.0", "1.3 1").released("2.0.0", "2.0 2 latest");
    assert_eq!(left(&world), Vec::<String>::new());
    // It followed 1.3.0, and its PUT overwrote 2.0.0, which had finished.
    let stale = world.clone().point("latest", "1.3.0");
    assert_eq!(left(&stale), ["latest"]);
    assert_eq!(plan(&stale.release("1.2.3")), "=v1.2.3 =1.2.3 =1.2 -1(not-highest) -latest(not-highest)");
    // Nothing is to be told of channels that do not exist, or that only others' tags surround.
    assert_eq!(left(&World::default().released("1.2.3", "1.2 1 latest")), Vec::<String>::new());
}

#[test]
fn a_withdrawal_is_about_its_own_writes_and_channels_that_do_not_exist_too() {
    let world = World::default().released("1.2.3", "1.2 1 latest").released("1.3.0", "1.3").withdraw("1.3.0");
    let mut input = world.release("1.3.0");
    let channels: Vec<String> = withdrawal_channels(&input, &version("1.3.0")).iter().map(Tag::to_string).collect();
    assert_eq!(channels, ["1", "1.3", "latest"]);
    let concerned = |input: &PlanInput, touched: &Touched| concerns_withdrawal(input, &tag("latest"), touched);
    assert_eq!(concerned(&input, &Touched::These([tag("1")].into())), Ok(false));
    assert_eq!(concerned(&input, &Touched::These([tag("latest")].into())), Ok(true));
    assert_eq!(concerned(&input, &Touched::Unknown), Ok(true));
    input.targets.insert(tag("latest"), None);
    assert_eq!(concerned(&input, &Touched::These(BTreeSet::new())), Ok(true));
    // The channel shows the digest itself, and its records cannot be read: unknown, not "something else" (I6).
    input.targets.insert(tag("latest"), Some(digest("1.3.0")));
    input.records.insert(digest("1.3.0"), DigestRecords::Unreadable { why: "503".to_owned() });
    assert!(concerned(&input, &Touched::These(BTreeSet::new())).is_err());
}
