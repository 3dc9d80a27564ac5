//! The git checkout that the command runs in, if any: its commit, the tag or branch that is checked out, and whether one
//! commit descends from another.

use std::time::Duration;

use async_trait::async_trait;

use crate::ops::promote::History;
use crate::promotion::Commit;
use crate::promotion::plan::Ancestry;

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

/// The checkout's history. A shallow clone lacks commits, and then nobody knows.
#[derive(Debug)]
pub(crate) struct Checkout;

#[async_trait]
impl History for Checkout {
    async fn ancestry(&self, theirs: &Commit, ours: &Commit) -> Ancestry {
        match run(&["merge-base", "--is-ancestor", theirs.as_str(), ours.as_str()]).await {
            Some(output) if output.status.code() == Some(0) => Ancestry::Descendant,
            // Where history was cut off, "no" only means that the way is not here.
            Some(output) if output.status.code() == Some(1) => {
                match git(&["rev-parse", "--is-shallow-repository"]).await.as_deref() {
                    Some("false") => Ancestry::NotDescendant,
                    _ => Ancestry::Unknown,
                }
            }
            _ => Ancestry::Unknown,
        }
    }
}

async fn git(arguments: &[&str]) -> Option<String> {
    let output = run(arguments).await?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the git context is read by running git")]
async fn run(arguments: &[&str]) -> Option<std::process::Output> {
    let output = tokio::process::Command::new("git").args(arguments).kill_on_drop(true).output();
    tokio::time::timeout(TIMEOUT, output).await.ok()?.ok()
}
