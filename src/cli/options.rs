//! Options that every command takes, before or after its name. Flag > environment > configuration file.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Args, ValueEnum};

use crate::policy::age::Age;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Shared options")]
pub struct Shared {
    /// Configuration file [default: countersign.yaml, then .github/countersign.yaml]
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    pub config: Option<PathBuf>,

    /// Result format: text or json; FORMAT=PATH writes it to a file. May be given several times
    #[arg(long, global = true, value_name = "FORMAT[=PATH]", env = "COUNTERSIGN_OUTPUT", value_delimiter = ',')]
    pub output: Vec<OutputSpec>,

    /// Only results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// More detail on stderr; -vv shows every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Colour as a second signal
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, env = "COUNTERSIGN_COLOR")]
    pub color: Color,

    /// Time for one reference of verify and resolve; elsewhere for one request with its retries [default: 60s]
    #[arg(long, global = true, value_name = "DURATION", env = "COUNTERSIGN_TIMEOUT")]
    pub timeout: Option<Timeout>,

    /// Sigstore instance: public-good, github or staging
    #[arg(long, global = true, value_name = "INSTANCE", env = "COUNTERSIGN_SIGSTORE")]
    pub sigstore: Option<String>,

    /// Sigstore `trusted_root.json` of any other instance
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_TRUST_ROOT")]
    pub trust_root: Option<PathBuf>,

    /// Sigstore `signing_config.json` (v0.2) of any other instance
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_SIGNING_CONFIG")]
    pub signing_config: Option<PathBuf>,

    /// File with the OIDC identity token [else `SIGSTORE_ID_TOKEN`, else the CI's ambient token]
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_IDENTITY_TOKEN_FILE")]
    pub identity_token_file: Option<PathBuf>,

    /// The Trivy executable [default: trivy on PATH]
    #[arg(long, global = true, value_name = "PATH", env = "COUNTERSIGN_TRIVY")]
    pub trivy: Option<PathBuf>,

    /// A Trivy cache folder that holds db/ [default: our own cache]
    #[arg(long, global = true, value_name = "DIR", env = "COUNTERSIGN_TRIVY_DB")]
    pub trivy_db: Option<PathBuf>,

    /// Oldest acceptable vulnerability database, for example 24h or 7d
    #[arg(long, global = true, value_name = "AGE", env = "COUNTERSIGN_MAX_DB_AGE")]
    pub max_db_age: Option<Age>,

    /// Rego file or folder with additional rules
    #[arg(long, global = true, value_name = "DIR|FILE", env = "COUNTERSIGN_POLICY")]
    pub policy: Option<PathBuf>,

    /// GitHub's REST API, or off [default: for repositories on github.com `GITHUB_API_URL`, else `https://api.github.com`]
    #[arg(long, global = true, value_name = "URL|off", env = "COUNTERSIGN_GITHUB_API")]
    pub github_api: Option<String>,

    /// Read the registry token from standard input; for exactly one registry
    #[arg(long, global = true)]
    pub registry_token_stdin: bool,

    /// Speak plain HTTP to this registry host (loopback hosts always are)
    #[arg(long, global = true, value_name = "HOST", env = "COUNTERSIGN_PLAIN_HTTP", value_delimiter = ',')]
    pub plain_http: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// From here on, for everything that is printed.
    pub fn choose(self) {
        match self {
            Self::Auto => {}
            Self::Always => anstream::ColorChoice::AlwaysAnsi.write_global(),
            Self::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}

impl Shared {
    /// An instance is named, or given by its files, not both. What a flag says replaces what the environment says.
    pub(crate) fn choose_sigstore(&mut self, source: impl Fn(&str) -> Option<ValueSource>) -> Result<(), String> {
        let (Some(named), Some(file)) = (source("sigstore"), source("trust_root").max(source("signing_config"))) else {
            return Ok(());
        };
        match (named, file) {
            (ValueSource::CommandLine, ValueSource::EnvVariable) => {
                (self.trust_root, self.signing_config) = (None, None)
            }
            (ValueSource::EnvVariable, ValueSource::CommandLine) => self.sigstore = None,
            _ => return Err("--sigstore cannot be used with --trust-root or --signing-config".to_owned()),
        }
        Ok(())
    }
}

/// Without `--timeout`; a release of a dozen images is verified in a few seconds.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

impl Shared {
    /// The time that one reference may take.
    pub(crate) fn time_limit(&self) -> Duration {
        self.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0)
    }
}

/// A whole number of seconds, minutes or hours: `60s`, `5m`, `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout(pub Duration);

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || format!("expected a duration such as 60s or 5m, found {text:?}");
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor = match &text[digits.len()..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(refuse()),
        };
        match digits.parse::<u32>() {
            Ok(count) if count > 0 => Ok(Self(Duration::from_secs(u64::from(count) * factor))),
            _ => Err(refuse()),
        }
    }
}

/// A format that results are printed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// `FORMAT` or `FORMAT=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSpec {
    pub format: Format,
    pub path: Option<PathBuf>,
}

impl FromStr for OutputSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (format, path) = match text.split_once('=') {
            Some((format, path)) => (format, Some(PathBuf::from(path))),
            None => (text, None),
        };
        let format = match format {
            "text" => Format::Text,
            "json" => Format::Json,
            "markdown" | "sarif" | "junit" | "github" => {
                return Err(format!(
                    "{format} is not supported by this version of countersign yet; expected text or json"
                ));
            }
            _ => return Err(format!("unknown format {format:?}; expected text or json")),
        };
        Ok(Self { format, path })
    }
}

/// Every value of a repeatable option, wherever it stands on the command line.
pub(crate) fn values(arguments: &[OsString], option: &str) -> Vec<String> {
    let options = arguments.iter().map(|a| a.to_string_lossy()).take_while(|a| a != "--");
    let mut found = Vec::new();
    let mut takes_next = false;
    for argument in options {
        match argument.strip_prefix(option) {
            _ if takes_next => found.extend(argument.split(',').map(str::to_owned)),
            Some(rest) => {
                found.extend(rest.strip_prefix('=').into_iter().flat_map(|v| v.split(',')).map(str::to_owned))
            }
            None => {}
        }
        takes_next = !takes_next && argument == option;
    }
    found
}

/// What `--output` asks for, as far as it is understood.
pub(crate) fn outputs(arguments: &[OsString]) -> Vec<OutputSpec> {
    values(arguments, "--output").iter().filter_map(|value| value.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeatable_option_is_found_in_both_spellings_and_on_both_sides_of_the_command() {
        let arguments =
            ["x", "--output", "json=a,text", "verify", "--output=text=b", "--outputs=no", "--", "--output=json"];
        let arguments = arguments.map(OsString::from);
        assert_eq!(values(&arguments, "--output"), ["json=a", "text", "text=b"]);
        assert_eq!(outputs(&arguments).len(), 3);
    }
}
