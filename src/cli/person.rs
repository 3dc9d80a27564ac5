//! The person at the terminal, for logins that no machine identity spares them.

use std::io::{self, BufRead, Write};

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::sigstore::Person;

/// Longest code that is read; Sigstore's have about thirty characters.
const MAX_CODE_BYTES: u64 = 4096;

/// Speaks on stderr, reads stdin.
#[derive(Debug)]
pub(crate) struct Terminal;

impl Person for Terminal {
    fn log_in_at(&self, url: &str, opened: bool) {
        let text = if opened {
            format!("Log in with your browser; if it did not open, visit\n  {url}\n")
        } else {
            format!("Log in at\n  {url}\nand enter the code it shows: ")
        };
        let mut stderr = anstream::stderr();
        let _ = stderr.write_all(text.as_bytes());
        let _ = stderr.flush();
    }

    fn read_code(&self) -> io::Result<SecretString> {
        let mut code = Zeroizing::new(String::new());
        io::Read::take(io::stdin().lock(), MAX_CODE_BYTES).read_line(&mut code)?;
        Ok(SecretString::from(code.trim().to_owned()))
    }
}
