//! Tracing set-up: logs go to stderr, warnings by default; never tokens, never whole bodies.

use tracing_subscriber::EnvFilter;

/// `-v` shows what is done, `-vv` every request of ours. Other crates stay at warnings.
pub fn init(verbose: u8, quiet: bool) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "countersign=info,warn",
        (false, _) => "countersign=debug,warn",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second initialisation (several runs in one test process) keeps the first.
    let _ = subscriber.try_init();
}
