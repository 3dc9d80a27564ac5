//! A command that could not do its job: exit code, stable code, message, help.

use crate::cli::exit::Exit;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub exit: Exit,
    /// Kebab-case, stable.
    pub code: &'static str,
    pub message: String,
    /// The next command or step; may be empty.
    pub help: String,
}

impl Failure {
    pub fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self { exit, code, message: message.into(), help: String::new() }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Fills in a next step where there is none.
    #[must_use]
    pub(crate) fn or_help(self, help: &str) -> Self {
        match (self.help.is_empty(), self.exit) {
            (true, Exit::Usage) => self.help(help),
            (true, Exit::Internal) => self.help("this is a bug: please report it with the command line and -vv"),
            _ => self,
        }
    }
}
