//! Flags that say whose signature is expected, for commands that verify.

use clap::Args;

use crate::cli::failure::Failure;
use crate::identity::{ExpectedIdentities, ExpectedIdentity, GitHubExpectation, Issuer, NamePattern, RequiredClaim};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Expected identity (default: from the configuration)")]
pub(crate) struct IdentityArgs {
    /// OIDC issuer in the certificate
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Exact subject alternative name in the certificate
    #[arg(long, value_name = "NAME", conflicts_with = "identity_regexp")]
    pub(crate) identity: Option<String>,
    /// Regular expression that matches the whole subject alternative name
    #[arg(long, value_name = "REGEXP")]
    pub(crate) identity_regexp: Option<String>,
    /// OWNER/REPO that the workflow ran for
    #[arg(long, value_name = "OWNER/REPO", conflicts_with_all = ["identity", "identity_regexp"])]
    pub(crate) github_repository: Option<String>,
    /// Workflow file of that repository, or OWNER/REPO/PATH of a reusable one
    #[arg(long, value_name = "PATH", requires = "github_repository")]
    pub(crate) github_workflow: Option<String>,
    /// Git ref that the workflow ran on; * matches anything
    #[arg(long, value_name = "REF", requires = "github_repository")]
    pub(crate) github_ref: Option<String>,
    /// A claim the certificate must make besides, for example runner-environment=github-hosted; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) require_claim: Vec<RequiredClaim>,
}

impl IdentityArgs {
    /// What the flags say; `None` where they say nothing.
    pub(crate) fn expected(&self) -> Result<Option<ExpectedIdentities>, Failure> {
        let expected = self.without_claims()?;
        if expected.is_none() && !self.require_claim.is_empty() {
            return Err(Failure::usage("--require-claim needs --issuer or --github-repository"));
        }
        Ok(expected.map(|expected| expected.with_claims(self.require_claim.clone())))
    }

    fn without_claims(&self) -> Result<Option<ExpectedIdentities>, Failure> {
        let refuse = |flag: &str, e: &dyn std::fmt::Display| Failure::usage(format!("--{flag}: {e}"));
        let issuer = self.issuer.as_deref().map(str::parse::<Issuer>).transpose().map_err(|e| refuse("issuer", &e))?;
        if let Some(repository) = &self.github_repository {
            let workflow = self.github_workflow.as_deref().map(str::parse).transpose();
            let git_ref = self.github_ref.as_deref().map(str::parse).transpose();
            let github = GitHubExpectation {
                repository: repository.parse().map_err(|e| refuse("github-repository", &e))?,
                workflow: workflow.map_err(|e| refuse("github-workflow", &e))?,
                git_ref: git_ref.map_err(|e| refuse("github-ref", &e))?,
            };
            let issuer = issuer.unwrap_or_else(Issuer::github_actions);
            return Ok(Some(ExpectedIdentities::one(ExpectedIdentity::GitHub { issuer, github })));
        }
        let Some(issuer) = issuer else {
            return match self.identity.is_some() || self.identity_regexp.is_some() {
                true => {
                    Err(Failure::usage("--identity and --identity-regexp need --issuer: a name without is anybody's"))
                }
                false => Ok(None),
            };
        };
        let name = match (&self.identity, &self.identity_regexp) {
            (Some(name), _) => NamePattern::exact(name).map_err(|e| refuse("identity", &e))?,
            (None, Some(regexp)) => NamePattern::regexp(regexp).map_err(|e| refuse("identity-regexp", &e))?,
            (None, None) => {
                return Err(Failure::usage("--issuer needs --identity, --identity-regexp or --github-repository"));
            }
        };
        Ok(Some(ExpectedIdentities::one(ExpectedIdentity::Name { issuer, name })))
    }
}
