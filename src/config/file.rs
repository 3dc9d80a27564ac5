//! The configuration as it is written: field names are the file's keys, doc comments become the JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// countersign.yaml
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct File {
    /// Version of this format: 1.
    pub version: u32,
    /// The images of one release: all approved, or none tagged.
    #[serde(default)]
    pub images: Vec<Image>,
    /// Helm charts of the release.
    #[serde(default)]
    pub charts: Vec<Chart>,
    /// Which tags a release gets.
    #[serde(default)]
    pub tags: Tags,
    /// Who may have signed what; used by read-back, verify, resolve and audit.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// What the decision asks of every image.
    #[serde(default)]
    pub policy: Policy,
    /// Per registry host: what is allowed beyond the defaults.
    #[serde(default)]
    pub registries: BTreeMap<String, Registry>,
    /// `auto`: a private repository's name goes to a public log only if this says `public`.
    #[serde(default)]
    pub transparency: Option<String>,
    /// What `promote`, `withdraw` and `rollback` attach: `bundle` (Sigstore bundles as referrers), `legacy` (cosign's `.sig` and `.att` tags, which
    /// need a Rekor v1 log) or `both`.
    #[serde(default)]
    pub signatures: Option<String>,
    #[serde(flatten)]
    pub tools: Tools,
}

/// One image of the release.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Image {
    /// HOST/NAME, spelled out.
    pub repository: String,
    #[serde(default)]
    pub require: Option<Require>,
}

/// What every build of the image must satisfy.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Require {
    /// Platforms that must be in the index, for example `linux/amd64`.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// Largest sum of compressed layers of one platform, for example `200MB`.
    #[serde(default)]
    pub max_compressed_size: Option<String>,
    /// The image's user must not be root.
    #[serde(default)]
    pub non_root: bool,
}

/// One chart of the release.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Chart {
    /// HOST/NAME, spelled out.
    pub repository: String,
}

/// Tag names by preset or by rules.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Tags {
    /// `both`, `plain`, `v`, `brokkr`, `kube9` or `storacha`.
    #[serde(default)]
    pub preset: Option<String>,
    /// Rules in the language of docker/metadata-action.
    #[serde(default)]
    pub rules: Option<Vec<String>>,
}

/// The expected identity.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Identity {
    /// OIDC issuer, exactly as in the certificate.
    pub issuer: String,
    /// A GitHub Actions workflow.
    #[serde(default)]
    pub github: Option<GitHub>,
    /// The exact subject alternative name.
    #[serde(default)]
    pub identity: Option<String>,
    /// A regular expression that matches the whole subject alternative name.
    #[serde(default)]
    pub identity_regexp: Option<String>,
    /// Claims of the certificate that must have these values, for example `runner-environment: github-hosted`.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// May authorise a version.
    #[serde(default)]
    pub release: Option<RefPattern>,
    /// May authorise branch, commit and pull-request tags.
    #[serde(default)]
    pub branch: Option<RefPattern>,
    /// May withdraw and roll back; default: as release.
    #[serde(default)]
    pub operator: Option<RefPattern>,
}

#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct GitHub {
    /// OWNER/REPO of the workflow run.
    pub repository: String,
    /// `.github/workflows/FILE` of that repository, or `OWNER/REPO/PATH` of a reusable workflow.
    #[serde(default)]
    pub workflow: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RefPattern {
    /// A git ref in which `*` matches anything.
    #[serde(rename = "ref")]
    pub git_ref: String,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// Which findings of the scan deny, and which only warn.
    #[serde(default)]
    pub vulnerabilities: Vulnerabilities,
    /// How old a scan and its database may be.
    #[serde(default)]
    pub scan: Scan,
    /// What is asked of the build's own provenance; countersign never makes any.
    #[serde(default)]
    pub provenance: Provenance,
    /// What the images must say about themselves.
    #[serde(default)]
    pub labels: Labels,
    /// File with dated exceptions.
    #[serde(default)]
    pub exceptions: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Vulnerabilities {
    /// Severities that deny. An empty list denies nothing.
    #[serde(default)]
    pub deny: Option<Vec<String>>,
    /// Severities that warn.
    #[serde(default)]
    pub warn: Option<Vec<String>>,
    /// Count only findings that have a fixed version.
    #[serde(default)]
    pub fixable_only: bool,
    /// Count only findings that the previous release did not have.
    #[serde(default)]
    pub regressions_only: bool,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Scan {
    /// Oldest acceptable scan, in `h` or `d`.
    #[serde(default)]
    pub max_age: Option<String>,
    /// Oldest acceptable vulnerability database, in `h` or `d`.
    #[serde(default)]
    pub max_db_age: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Provenance {
    /// Build provenance by a listed builder must be there, and name the released repository, commit and ref.
    #[serde(default)]
    pub require: bool,
    /// Who may claim build provenance: `.github/workflows/FILE` of `identity.github.repository`,
    /// `OWNER/REPO/.github/workflows/FILE`, such a workflow's URL with `@REF` (`*` matches anything), or an exact URI or
    /// e-mail address. Never the gate itself.
    #[serde(default)]
    pub builders: Vec<String>,
    /// OIDC issuer of the builders; default: `identity.issuer`.
    #[serde(default)]
    pub issuer: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Labels {
    /// Labels that every image must have and that must agree with the release.
    #[serde(default)]
    pub require: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Registry {
    /// A token realm on another host that may receive this registry's credential.
    #[serde(default)]
    pub realm: Option<String>,
    /// An additional certificate authority, PEM file.
    #[serde(default)]
    pub ca: Option<String>,
}

/// Shared options of the command line; flag and environment win over these.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Tools {
    /// `public-good`, `github` or `staging`.
    #[serde(default)]
    pub sigstore: Option<String>,
    /// A Sigstore `trusted_root.json` instead.
    #[serde(default)]
    pub trust_root: Option<String>,
    /// A Sigstore `signing_config.json` (v0.2) instead.
    #[serde(default)]
    pub signing_config: Option<String>,
    /// File with the OIDC identity token.
    #[serde(default)]
    pub identity_token_file: Option<String>,
    /// The Trivy executable.
    #[serde(default)]
    pub trivy: Option<String>,
    /// A Trivy cache folder that holds `db/`.
    #[serde(default)]
    pub trivy_db: Option<String>,
    /// SHA-256 digests of Trivy executables to accept besides the built-in table.
    #[serde(default)]
    pub trivy_digests: Vec<String>,
    /// A Rego file or folder with additional rules.
    #[serde(default)]
    pub policy_path: Option<String>,
    /// GitHub's REST API, where build provenance is looked for that was not pushed to the registry, and whether one commit
    /// descends from another; `off` asks nobody. Default: `GITHUB_API_URL`, else `https://api.github.com`, for repositories
    /// on github.com whose workflows GitHub Actions vouches for.
    #[serde(default)]
    pub github_api: Option<String>,
    /// Registry hosts to speak to over plain HTTP.
    #[serde(default)]
    pub plain_http: Vec<String>,
}
