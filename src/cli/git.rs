//! The git checkout that the command runs in, if any: its commit, and the tag or branch that is checked out.

use std::time::Duration;

/// git answers such questions in milliseconds; a hanging one must not hold up a release.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) commit: String,
    /// `refs/tags/…` where a tag points here, else the branch.
    pub(crate) git_ref: Option<String>,
}

/// `None` outside a checkout, without git, or where git does not answer.
pub(crate) async fn head() -> Option<Head> {
    let commit = git(&["rev-parse", "HEAD"]).await?;
    let tag = git(&["describe", "--exact-match", "--tags", "HEAD"]).await.map(|tag| format!("refs/tags/{tag}"));
    let git_ref = match tag {
        Some(tag) => Some(tag),
        None => git(&["symbolic-ref", "--quiet", "HEAD"]).await,
    };
    Some(Head { commit, git_ref })
}

#[expect(clippy::disallowed_methods, reason = "the git context is read by running git")]
async fn git(arguments: &[&str]) -> Option<String> {
    let output = tokio::process::Command::new("git").args(arguments).kill_on_drop(true).output();
    let output = tokio::time::timeout(TIMEOUT, output).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
