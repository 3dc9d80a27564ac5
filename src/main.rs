use std::process::ExitCode;

use countersign::scanner::launch;

fn main() -> ExitCode {
    // First of all: the launcher needs a process without threads.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == launch::SUBCOMMAND) {
        return launch::main();
    }
    ExitCode::SUCCESS
}
