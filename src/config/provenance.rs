//! `policy.provenance`: who may claim that they built what is promoted.

use crate::config::{Builder, ConfigError, file};
use crate::identity::Builder as Accepted;
use crate::identity::{BuildSource, ExpectedIdentities, ExpectedProvenance, GitHubRepository, Issuer};

impl Builder<'_> {
    /// The gate's identities, and beside them the builders.
    pub(super) fn all_identities(
        &self,
        identity: Option<file::Identity>,
        provenance: &file::Provenance,
    ) -> Result<Option<ExpectedIdentities>, ConfigError> {
        let Some(identity) = identity else { return Ok(None) };
        let builders = self.builders(provenance, Some(&identity))?;
        let repository = self.github_repository(Some(&identity))?;
        let expected = self.identities(identity)?;
        if builders.is_empty() {
            return Ok(Some(expected));
        }
        let repository = repository.map(|repository| repository.uri().to_owned());
        let source = BuildSource { repository, ..BuildSource::default() };
        Ok(Some(expected.with_provenance(ExpectedProvenance { builders, source })))
    }

    fn github_repository(&self, identity: Option<&file::Identity>) -> Result<Option<GitHubRepository>, ConfigError> {
        let github = identity.and_then(|identity| identity.github.as_ref());
        let repository = github.map(|github| github.repository.parse()).transpose();
        repository.map_err(|e| self.refuse("identity.github.repository", e))
    }

    pub(super) fn builders(
        &self,
        provenance: &file::Provenance,
        identity: Option<&file::Identity>,
    ) -> Result<Vec<Accepted>, ConfigError> {
        let key = "policy.provenance.builders";
        if provenance.require && provenance.builders.is_empty() {
            return Err(
                self.refuse(key, "nobody is listed, so that no build could ever satisfy policy.provenance.require")
            );
        }
        let issuer = match (&provenance.issuer, identity) {
            (Some(issuer), _) => issuer.parse().map_err(|e| self.refuse("policy.provenance.issuer", e))?,
            (None, Some(identity)) => identity.issuer.parse().map_err(|e| self.refuse("identity.issuer", e))?,
            (None, None) => Issuer::github_actions(),
        };
        let repository = self.github_repository(identity)?;
        let builder = |text: &String| {
            let builder =
                Accepted::parse(text, issuer.clone(), repository.as_ref()).map_err(|e| self.refuse(key, e))?;
            match identity.is_some_and(|gate| is_the_gate(text, gate)) {
                true => Err(self.refuse(key, format!("{text} is the gate itself, which proves no build"))),
                false => Ok(builder),
            }
        };
        provenance.builders.iter().map(builder).collect()
    }
}

/// The same text as the expected identity.
fn is_the_gate(builder: &str, gate: &file::Identity) -> bool {
    let workflow = gate.github.as_ref().and_then(|github| {
        let workflow = github.workflow.as_deref()?;
        Some([workflow.to_owned(), format!("{}/{workflow}", github.repository)])
    });
    gate.identity.as_deref() == Some(builder) || workflow.is_some_and(|names| names.iter().any(|name| name == builder))
}
