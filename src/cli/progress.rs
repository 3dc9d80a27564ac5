//! What is going on, on stderr: bars on a terminal, one plain line per step elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::options::Shared;
use crate::ops::Reporter;

/// Reports steps on stderr; with `--quiet` to nobody.
pub(crate) fn reporter(shared: &Shared) -> Arc<dyn Reporter> {
    if shared.quiet {
        Arc::new(Silent)
    } else if std::io::stderr().is_terminal() {
        Arc::new(Bars::new())
    } else {
        Arc::new(Lines)
    }
}

#[derive(Debug)]
struct Silent;

impl Reporter for Silent {
    fn begin(&self, _step: &str) {}
    fn done(&self, _step: &str, _result: &str) {}
}

/// For logs: one line when a step has ended.
#[derive(Debug)]
struct Lines;

impl Reporter for Lines {
    fn begin(&self, _step: &str) {}

    fn done(&self, step: &str, result: &str) {
        let _ = writeln!(anstream::stderr(), "{step:<10} {result}");
    }
}

/// For terminals: a spinner while a step runs, its line when it has ended.
#[derive(Debug)]
struct Bars {
    bar: ProgressBar,
}

impl Bars {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        Self { bar }
    }
}

impl Reporter for Bars {
    fn begin(&self, step: &str) {
        self.bar.set_message(step.to_owned());
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }

    fn done(&self, step: &str, result: &str) {
        self.bar.suspend(|| {
            let _ = writeln!(anstream::stderr(), "{step:<10} {result}");
        });
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
