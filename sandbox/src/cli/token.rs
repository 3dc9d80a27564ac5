//! Identity tokens of a running sandbox: anyone who asks gets one.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};

use super::{http, say};

/// `token`
#[derive(Debug, clap::Args)]
pub(super) struct Token {
    /// The folder of `serve`
    #[arg(long)]
    dir: PathBuf,
    /// A token for this verified e-mail address; without it, one like a GitHub Actions job's
    #[arg(long)]
    email: Option<String>,
    /// CLAIM=VALUE, replaces a claim; repeatable
    #[arg(long)]
    claim: Vec<String>,
    /// Write to this file (mode 0600) instead of standard output
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Token {
    pub(super) fn run(self) -> Result<()> {
        let base = self.issuer()?;
        let email = self.email.as_ref().map(|e| format!("email={e}"));
        let claims: Vec<String> = email.iter().chain(&self.claim).map(|c| encode(c)).collect();
        let url = format!("{base}/token?{}", claims.join("&"));
        let answer = http::send("GET", &url, "", &[])?;
        let body = String::from_utf8_lossy(&answer.body).trim().to_owned();
        if answer.status != 200 {
            bail!("{url} was answered {}: {body}", answer.status);
        }
        match &self.out {
            Some(path) => write_secret(path, &body).with_context(|| format!("write {}", path.display())),
            None => say(&body),
        }
    }

    fn issuer(&self) -> Result<String> {
        let path = self.dir.join("env");
        let env = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let name = if self.email.is_some() { "EMAIL_ISSUER" } else { "CI_ISSUER" };
        let prefix = format!("export {name}='");
        let value = env.lines().find_map(|l| l.strip_prefix(&prefix)).and_then(|l| l.strip_suffix('\''));
        value.map(str::to_owned).ok_or_else(|| anyhow!("{} has no {name}", path.display()))
    }
}

fn write_secret(path: &std::path::Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Percent-encodes what may not stand in a query, the first `=` aside.
fn encode(claim: &str) -> String {
    let (name, value) = claim.split_once('=').unwrap_or((claim, ""));
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    format!("{}={}", escape(name), escape(value))
}
