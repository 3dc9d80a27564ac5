//! Releases, a withdrawal and a rollback that run at the same time, and runs that are killed: whatever the order of
//! their steps, each channel ends at the highest version that counts (I4, I8).

use proptest::prelude::*;

use super::cases;
use super::commands::{Command, Put, RELEASES, Run, begin, finish, wrong};

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

/// Who does a step; is it killed instead; does its PUT overwrite.
type Order = Vec<(prop::sample::Index, bool, bool)>;

fn order(kills: f64) -> impl Strategy<Value = Order> {
    let blind = proptest::bool::weighted(0.8);
    proptest::collection::vec((any::<prop::sample::Index>(), proptest::bool::weighted(kills), blind), 0..120)
}

fn check(before: &[&'static str], commands: &[Command], order: &Order) -> Result<(), TestCaseError> {
    let mut world = begin(before);
    let mut runs: Vec<Run> = commands.iter().cloned().map(Run::new).collect();
    for (pick, kill, blind) in order {
        let run = &mut runs[pick.index(commands.len())];
        if *kill && !run.done() {
            run.kill();
        } else {
            run.step(&mut world, if *blind { Put::Blind } else { Put::AfterLook });
        }
    }
    finish(&mut runs, &mut world).map_err(TestCaseError::fail)?;
    let wrong = wrong(&world);
    prop_assert!(wrong.is_empty(), "{wrong:?} after {commands:?}");
    Ok(())
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn i4_interleaved_promotes_withdrawals_and_rollbacks_end_at_what_counts(
        before in proptest::sample::subsequence(RELEASES.to_vec(), 0..=4), commands in commands(), order in order(0.0),
    ) {
        check(&before, &commands, &order)?;
    }

    #[test]
    fn i8_killed_promotes_withdrawals_and_rollbacks_are_finished_by_the_same_commands(
        before in proptest::sample::subsequence(RELEASES.to_vec(), 0..=4), commands in commands(), order in order(0.15),
    ) {
        check(&before, &commands, &order)?;
    }
}

/// `2 2 0x`: the third command does two steps, the first is killed; all PUTs overwrite. Then each is run to its end.
fn replay(before: &[&'static str], commands: &[Command], script: &str) -> Vec<String> {
    let mut world = begin(before);
    let mut runs: Vec<Run> = commands.iter().cloned().map(Run::new).collect();
    for word in script.split_whitespace() {
        match word.strip_suffix('x') {
            Some(index) => runs[index.parse::<usize>().unwrap()].kill(),
            None => runs[word.parse::<usize>().unwrap()].step(&mut world, Put::Blind),
        }
    }
    finish(&mut runs, &mut world).unwrap();
    wrong(&world)
}

#[test]
fn i4_a_withdrawal_that_overwrote_a_higher_release_gives_the_channel_back() {
    let commands = [Command::Promote("1.2.0"), Command::Promote("1.3.0"), Command::Withdraw("1.2.1")];
    // The withdrawal decides for 1.2.0, then 1.3.0 is released, then the withdrawal writes.
    let decided = "2 2 0 0 0 2";
    assert_eq!(replay(&["1.2.1"], &commands, decided), Vec::<String>::new());
    // Killed after that PUT of `1.2`, `1` and `latest`, and run again.
    let released = "0 0 0 0 0 0 1 1 1 1 1 1 1 1 1";
    assert_eq!(replay(&["1.2.1"], &commands, &format!("{decided} {released} 2 2 2 2x")), Vec::<String>::new());
}

#[test]
fn i4_a_channel_left_to_a_release_that_was_stopped_and_withdrawn_is_created() {
    let commands = [Command::Promote("1.2.0"), Command::Promote("2.0.0"), Command::Withdraw("2.0.0")];
    // 2.0.0 is killed after its first version tag; 1.2.0 leaves `latest` to it.
    let stopped = "1 1 1 1x 0";
    assert_eq!(replay(&[], &commands, &format!("{stopped} 2 2")), Vec::<String>::new(), "withdrawn before 1.2.0 wrote");
    let released = "0 ".repeat(8);
    assert_eq!(replay(&[], &commands, &format!("{stopped} {released} 2 2")), Vec::<String>::new(), "and after");
}
