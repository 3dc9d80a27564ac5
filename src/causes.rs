//! Why an error happened, as its chain of sources tells (`std::error::Error::source`).

use std::error::Error;

/// An error with its causes on one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The innermost cause of an error, in its own words: "connection refused" says more than "error sending request". What HTTP
/// clients say further out holds the address, which may hold a signature.
#[must_use]
pub fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
