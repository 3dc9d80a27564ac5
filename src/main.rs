//! Process set-up: the scanner launcher first, because it must start with nothing else in the process; then the
//! command line.

use std::process::ExitCode;

use countersign::{cli, scanner};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == scanner::launch::SUBCOMMAND) {
        return scanner::launch::main();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ =
                std::io::Write::write_all(&mut std::io::stderr(), format!("error: cannot start: {error}\n").as_bytes());
            return cli::exit::Exit::Internal.into();
        }
    };
    runtime.block_on(cli::run(arguments)).into()
}
