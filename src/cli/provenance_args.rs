//! Flags that say who may claim build provenance, for commands that verify.

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::identity_args::IdentityArgs;
use crate::config::Config;
use crate::identity::{BuildSource, Builder, ExpectedIdentities, ExpectedProvenance, GitHubRepository, Issuer};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Expected builder (default: from the configuration)")]
pub(crate) struct ProvenanceArgs {
    /// Who may claim build provenance: OWNER/REPO/.github/workflows/FILE, its URL with @REF, or an exact URI or e-mail
    /// address; repeatable
    #[arg(long, value_name = "BUILDER")]
    provenance_builder: Vec<String>,
    /// OIDC issuer of the builders [default: --issuer, else GitHub Actions]
    #[arg(long, value_name = "URL", requires = "provenance_builder")]
    provenance_issuer: Option<String>,
}

impl ProvenanceArgs {
    /// Flags win over the configuration, whose builders also count beside an identity given by flags.
    pub(crate) fn added_to(
        &self,
        expected: ExpectedIdentities,
        config: &Config,
        identity: &IdentityArgs,
    ) -> Result<ExpectedIdentities, Failure> {
        let refuse = |flag: &str, e: &dyn std::fmt::Display| Failure::usage(format!("--{flag}: {e}"));
        let repository = identity.github_repository.as_deref().map(str::parse::<GitHubRepository>).transpose();
        let repository = repository.map_err(|e| refuse("github-repository", &e))?;
        let configured = config.identities.as_ref().and_then(ExpectedIdentities::provenance);
        if self.provenance_builder.is_empty() {
            return Ok(match (expected.provenance(), configured) {
                (None, Some(configured)) => {
                    let repository = repository.map(|repository| repository.uri().to_owned());
                    let source = BuildSource { repository, ..BuildSource::default() };
                    expected.with_provenance(ExpectedProvenance { builders: configured.builders.clone(), source })
                }
                _ => expected,
            });
        }
        let issuer = match self.provenance_issuer.as_ref().or(identity.issuer.as_ref()) {
            Some(issuer) => issuer.parse().map_err(|e| refuse("provenance-issuer", &e))?,
            None => expected.iter().next().map_or_else(Issuer::github_actions, |(_, first)| first.issuer().clone()),
        };
        let known = configured.and_then(|configured| configured.source.repository.clone());
        let source = repository.as_ref().map(|repository| repository.uri().to_owned()).or(known);
        let builder = |text: &String| Builder::parse(text, issuer.clone(), repository.as_ref());
        let builders = self.provenance_builder.iter().map(builder).collect::<Result<_, _>>();
        let builders = builders.map_err(|e| refuse("provenance-builder", &e))?;
        let source = BuildSource { repository: source, ..BuildSource::default() };
        Ok(expected.with_provenance(ExpectedProvenance { builders, source }))
    }
}
