//! Which repository on GitHub a command is about, and whether GitHub may be asked about it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::app::App;
use crate::cli::failure::Failure;
use crate::cli::git;
use crate::github::{GitHub, Relation};
use crate::identity::{ExpectedIdentities, ExpectedIdentity, GitHubRepository, Issuer};
use crate::ops::builders::BuildersArchive;
use crate::ops::promote::History;
use crate::promotion::Commit;
use crate::promotion::plan::Ancestry;

/// Where builders of the expected source may have left provenance; `None` where nobody says what the source is, or GitHub
/// is not to be asked.
pub(crate) fn archive(app: &App, expected: &ExpectedIdentities) -> Result<Option<BuildersArchive>, Failure> {
    let provenance = expected.provenance();
    let repository = match provenance {
        Some(provenance) => provenance.source.repository.as_deref().and_then(|uri| uri.parse().ok()),
        None if expected.are_named() => repository(expected),
        None => None,
    };
    let vouched = provenance.map_or_else(
        || issued_by_actions(expected),
        |p| p.builders.iter().any(|builder| *builder.issuer() == Issuer::github_actions()),
    );
    let Some(repository) = repository else { return Ok(None) };
    let github = app.github(&repository, vouched)?;
    Ok(github.map(|github| BuildersArchive { github, repository }))
}

/// The checkout, and GitHub for what it cannot answer.
pub(crate) fn history(app: &App, expected: &ExpectedIdentities) -> Result<Arc<dyn History>, Failure> {
    let Some(repository) = repository(expected) else { return Ok(Arc::new(git::Checkout)) };
    Ok(match app.github(&repository, issued_by_actions(expected))? {
        Some(github) => Arc::new(CheckoutThenGitHub { github, repository }),
        None => Arc::new(git::Checkout),
    })
}

fn issued_by_actions(expected: &ExpectedIdentities) -> bool {
    expected.iter().any(|(_, identity)| *identity.issuer() == Issuer::github_actions())
}

/// The repository that the expected identities name.
pub(crate) fn repository(expected: &ExpectedIdentities) -> Option<GitHubRepository> {
    expected.iter().find_map(|(_, identity)| match identity {
        ExpectedIdentity::GitHub { github, .. } => Some(github.repository.clone()),
        ExpectedIdentity::Name { .. } => None,
    })
}

/// A job that checks out one commit cannot tell what descends from what; GitHub can.
#[derive(Debug)]
struct CheckoutThenGitHub {
    github: Arc<dyn GitHub>,
    repository: GitHubRepository,
}

#[async_trait]
impl History for CheckoutThenGitHub {
    async fn ancestry(&self, theirs: &Commit, ours: &Commit) -> Ancestry {
        match git::Checkout.ancestry(theirs, ours).await {
            Ancestry::Unknown => {}
            known => return known,
        }
        match self.github.compare(&self.repository, theirs, ours).await {
            Ok(Some(Relation::Ahead | Relation::Identical)) => Ancestry::Descendant,
            Ok(Some(Relation::Behind | Relation::Diverged)) => Ancestry::NotDescendant,
            Ok(None) => Ancestry::Unknown,
            Err(error) => {
                tracing::warn!("which of two commits is the later one is not known: {error}");
                Ancestry::Unknown
            }
        }
    }
}
