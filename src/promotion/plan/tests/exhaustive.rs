//! Small cases in full: every order of the steps of two commands, with every outcome of each PUT and a crash anywhere.

use std::collections::BTreeSet;

use super::commands::{Command, Put, Run, begin, finish, world_key, wrong};

/// Every state that these commands reach together, each looked at once; at most `crashes` kills.
fn explore(before: &[&'static str], commands: &[Command], crashes: usize) -> Result<usize, String> {
    let runs: Vec<Run> = commands.iter().cloned().map(Run::new).collect();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut due = vec![(begin(before), runs, crashes)];
    while let Some((world, runs, crashes)) = due.pop() {
        let keys: Vec<String> = runs.iter().map(Run::key).collect();
        if !seen.insert(format!("{crashes} {} {keys:?}", world_key(&world))) {
            continue;
        }
        if seen.len() > MOST_STATES {
            return Err(format!("too many states: {before:?} {commands:?}"));
        }
        if runs.iter().all(Run::done) {
            let (mut world, mut runs) = (world.clone(), runs.clone());
            finish(&mut runs, &mut world)?;
            let wrong = wrong(&world);
            if !wrong.is_empty() {
                return Err(format!("{wrong:?} after {before:?} and {runs:?}"));
            }
        }
        for index in (0..runs.len()).filter(|index| !runs[*index].done()) {
            for put in [Put::Blind, Put::AfterLook] {
                let (mut world, mut runs) = (world.clone(), runs.clone());
                runs[index].step(&mut world, put);
                due.push((world, runs, crashes));
            }
            if crashes > 0 {
                let mut runs = runs.clone();
                runs[index].kill();
                due.push((world.clone(), runs, crashes - 1));
            }
        }
    }
    Ok(seen.len())
}

/// Far more than these cases have; a model that grew is noticed rather than waited for.
const MOST_STATES: usize = 20_000;

#[test]
fn i4_i8_a_promote_and_a_withdrawal_in_every_order() {
    let commands = [Command::Promote("1.3.0"), Command::Withdraw("1.2.1")];
    assert!(explore(&["1.2.0", "1.2.1"], &commands, 0).unwrap() > 100);
}

#[test]
fn i4_i8_two_promotes_in_every_order() {
    let commands = [Command::Promote("1.2.1"), Command::Promote("1.3.0")];
    assert!(explore(&["1.2.0"], &commands, 0).unwrap() > 100);
}

#[test]
fn i4_i8_a_withdrawal_that_crashes_beside_a_rollback() {
    let commands = [Command::Withdraw("1.3.0"), Command::RollBack { to: "1.2.0" }];
    assert!(explore(&["1.2.0", "1.2.1", "1.3.0"], &commands, 1).unwrap() > 100);
}
