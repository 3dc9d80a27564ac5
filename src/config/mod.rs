//! The configuration file: YAML to validated types, once.
//!
//! [`mod@file`] is the wire shape (and the published JSON Schema), `unknown` finds keys that the schema does not know and
//! names the nearest, `unbuilt` refuses keys whose rule does not exist yet: a key is obeyed or refused, never ignored.
//! This module turns the text into [`Config`]; reading the file is [`crate::app`]'s job.

pub mod environment;
pub mod file;
mod provenance;
mod unbuilt;
mod unknown;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::evidence::scan::Severity;
use crate::identity::{
    ExpectedIdentities, ExpectedIdentity, GitHubExpectation, IdentityRole, Issuer, NamePattern, RequiredClaim,
};
use crate::oci::{Platform, Repository};
use crate::policy::age::Age;
use crate::policy::parse_severity;
use crate::promotion::Layouts;
use crate::tags::Preset;

/// Where the configuration is looked for when `--config` is not given, in this order.
pub const DEFAULT_PATHS: [&str; 2] = ["countersign.yaml", ".github/countersign.yaml"];

/// Larger configuration files are refused before parsing.
pub const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// Why a configuration cannot be used. Always the user's to fix: exit 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: not valid YAML: {message}")]
    Yaml { path: String, message: String },
    #[error("{path}: unknown key {key:?}{}", nearest.as_ref().map(|n| format!(", did you mean {n:?}?")).unwrap_or_default())]
    UnknownKey { path: String, key: String, nearest: Option<String> },
    #[error("{path}: {key}: {message}")]
    Value { path: String, key: String, message: String },
    #[error(
        "{path}: {key} is not supported by this version of countersign yet; it is refused so that it is not ignored"
    )]
    NotBuilt { path: String, key: String },
}

/// One image of a release and what is required of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    pub repository: Repository,
    pub platforms: Vec<Platform>,
    /// Bytes of all compressed layers of one platform.
    pub max_compressed_size: Option<u64>,
    pub non_root: bool,
}

/// Thresholds of the built-in policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyConfig {
    pub deny: Vec<Severity>,
    pub warn: Vec<Severity>,
    pub fixable_only: bool,
    pub max_scan_age: Age,
    pub max_db_age: Age,
    pub required_labels: Vec<String>,
    /// Build provenance must be there; then somebody is listed who may claim it.
    pub require_provenance: bool,
    pub builders: Vec<crate::identity::Builder>,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            deny: vec![Severity::Critical],
            warn: vec![Severity::High],
            fixable_only: false,
            max_scan_age: Age::days(7),
            max_db_age: Age::hours(24),
            required_labels: Vec::new(),
            require_provenance: false,
            builders: Vec::new(),
        }
    }
}

/// What is allowed about one registry beyond the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistryConfig {
    /// A token realm on another host that may receive this registry's credential.
    pub realm: Option<String>,
    /// Path of an additional certificate authority in PEM.
    pub ca: Option<PathBuf>,
}

/// May a private repository's name go to a public transparency log?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transparency {
    #[default]
    Auto,
    Public,
}

/// Shared options that the file may also set; flag and environment win.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolConfig {
    pub sigstore: Option<String>,
    pub trust_root: Option<PathBuf>,
    pub signing_config: Option<PathBuf>,
    pub identity_token_file: Option<PathBuf>,
    pub trivy: Option<PathBuf>,
    pub trivy_db: Option<PathBuf>,
    pub trivy_digests: Vec<crate::oci::Digest>,
    pub policy_path: Option<PathBuf>,
    pub github_api: Option<String>,
    pub plain_http: Vec<String>,
}

/// The whole configuration, validated.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub images: Vec<ImageConfig>,
    pub preset: Preset,
    /// None without an `identity:` section; commands that need it then say so.
    pub identities: Option<ExpectedIdentities>,
    pub policy: PolicyConfig,
    pub registries: BTreeMap<String, RegistryConfig>,
    pub transparency: Transparency,
    /// In which layouts `promote` attaches.
    pub signatures: Layouts,
    pub tools: ToolConfig,
}

impl Config {
    /// Parses `text`, which came from the file `path` (used in messages only).
    pub fn parse(path: &str, text: &str) -> Result<Self, ConfigError> {
        let yaml_error = |message: String| ConfigError::Yaml { path: path.to_owned(), message };
        let value: serde_json::Value =
            serde_saphyr::from_str(text).map_err(|e| yaml_error(first_line(&e.to_string())))?;
        unknown::check(path, &value)?;
        let file: file::File = serde_json::from_value(value).map_err(|e| ConfigError::Value {
            path: path.to_owned(),
            key: "configuration".to_owned(),
            message: e.to_string(),
        })?;
        unbuilt::check(path, &file)?;
        Builder { path }.config(file)
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Turns the wire shape into types; each method names the key it reads when it refuses.
struct Builder<'a> {
    path: &'a str,
}

impl Builder<'_> {
    fn refuse(&self, key: impl Into<String>, message: impl std::fmt::Display) -> ConfigError {
        ConfigError::Value { path: self.path.to_owned(), key: key.into(), message: message.to_string() }
    }

    fn config(&self, file: file::File) -> Result<Config, ConfigError> {
        if file.version != 1 {
            return Err(self.refuse("version", format!("expected 1, found {}", file.version)));
        }
        let images = file
            .images
            .into_iter()
            .enumerate()
            .map(|(i, image)| self.image(i, image))
            .collect::<Result<Vec<_>, _>>()?;
        self.refuse_duplicates(&images)?;
        Ok(Config {
            images,
            preset: match file.tags.preset {
                Some(name) => name.parse().map_err(|e| self.refuse("tags.preset", e))?,
                None => Preset::default(),
            },
            policy: self.policy(&file.policy, file.identity.as_ref())?,
            identities: self.all_identities(file.identity, &file.policy.provenance)?,
            registries: self.registries(file.registries)?,
            transparency: match file.transparency.as_deref() {
                None | Some("auto") => Transparency::Auto,
                Some("public") => Transparency::Public,
                Some(other) => {
                    return Err(self.refuse("transparency", format!("expected auto or public, found {other:?}")));
                }
            },
            signatures: match file.signatures {
                Some(name) => name.parse().map_err(|e| self.refuse("signatures", e))?,
                None => Layouts::default(),
            },
            tools: self.tools(file.tools)?,
        })
    }

    fn refuse_duplicates(&self, images: &[ImageConfig]) -> Result<(), ConfigError> {
        for (i, image) in images.iter().enumerate() {
            if images[..i].iter().any(|earlier| earlier.repository == image.repository) {
                return Err(
                    self.refuse(format!("images[{i}].repository"), format!("{} is listed twice", image.repository))
                );
            }
        }
        Ok(())
    }

    fn image(&self, index: usize, image: file::Image) -> Result<ImageConfig, ConfigError> {
        let key = |name: &str| format!("images[{index}].{name}");
        let require = image.require.unwrap_or_default();
        let platforms = require.platforms.iter().map(|p| p.parse::<Platform>().map(|p| p.normalised()));
        Ok(ImageConfig {
            repository: image.repository.parse().map_err(|e| self.refuse(key("repository"), e))?,
            platforms: platforms.collect::<Result<_, _>>().map_err(|e| self.refuse(key("require.platforms"), e))?,
            max_compressed_size: match require.max_compressed_size {
                Some(text) => Some(parse_size(&text).ok_or_else(|| {
                    self.refuse(
                        key("require.max-compressed-size"),
                        format!("expected a size such as 200MB, found {text:?}"),
                    )
                })?),
                None => None,
            },
            non_root: require.non_root,
        })
    }

    fn policy(&self, policy: &file::Policy, identity: Option<&file::Identity>) -> Result<PolicyConfig, ConfigError> {
        let defaults = PolicyConfig::default();
        let severities = |key: &str, list: &Option<Vec<String>>, default: &[Severity]| match list {
            None => Ok(default.to_vec()),
            Some(names) => names
                .iter()
                .map(|n| {
                    parse_severity(n).map_err(|_| {
                        self.refuse(
                            format!("policy.vulnerabilities.{key}"),
                            format!("expected CRITICAL, HIGH, MEDIUM, LOW or UNKNOWN, found {n:?}"),
                        )
                    })
                })
                .collect(),
        };
        let age = |key: &str, text: &Option<String>, default: Age| match text {
            None => Ok(default),
            Some(text) => text.parse::<Age>().map_err(|e| self.refuse(format!("policy.scan.{key}"), e)),
        };
        let v = &policy.vulnerabilities;
        Ok(PolicyConfig {
            deny: severities("deny", &v.deny, &defaults.deny)?,
            warn: severities("warn", &v.warn, &defaults.warn)?,
            fixable_only: v.fixable_only,
            max_scan_age: age("max-age", &policy.scan.max_age, defaults.max_scan_age)?,
            max_db_age: age("max-db-age", &policy.scan.max_db_age, defaults.max_db_age)?,
            required_labels: policy.labels.require.clone(),
            require_provenance: policy.provenance.require,
            builders: self.builders(&policy.provenance, identity)?,
        })
    }

    fn registries(
        &self,
        list: BTreeMap<String, file::Registry>,
    ) -> Result<BTreeMap<String, RegistryConfig>, ConfigError> {
        list.into_iter()
            .map(|(host, registry)| {
                if format!("{host}/x").parse::<Repository>().is_err() {
                    return Err(self.refuse(format!("registries.{host}"), "expected a registry host"));
                }
                if let Some(realm) = registry.realm.as_ref().filter(|realm| !may_receive_a_credential(realm)) {
                    let message = format!("expected an https URL, found {realm:?}");
                    return Err(self.refuse(format!("registries.{host}.realm"), message));
                }
                Ok((host, RegistryConfig { realm: registry.realm, ca: registry.ca.map(PathBuf::from) }))
            })
            .collect()
    }

    fn tools(&self, tools: file::Tools) -> Result<ToolConfig, ConfigError> {
        if tools.sigstore.is_some() && (tools.trust_root.is_some() || tools.signing_config.is_some()) {
            return Err(self.refuse("sigstore", "cannot be used with trust-root or signing-config"));
        }
        let digests = tools.trivy_digests.iter().map(|d| d.parse());
        Ok(ToolConfig {
            sigstore: tools.sigstore,
            trust_root: tools.trust_root.map(PathBuf::from),
            signing_config: tools.signing_config.map(PathBuf::from),
            identity_token_file: tools.identity_token_file.map(PathBuf::from),
            trivy: tools.trivy.map(PathBuf::from),
            trivy_db: tools.trivy_db.map(PathBuf::from),
            trivy_digests: digests.collect::<Result<_, _>>().map_err(|e| self.refuse("trivy-digests", e))?,
            policy_path: tools.policy_path.map(PathBuf::from),
            github_api: tools.github_api,
            plain_http: tools.plain_http,
        })
    }

    /// Three roles under one issuer. Without a ref of its own the operator is whoever may release; without `release`
    /// or `branch` the bare identity has that role.
    fn identities(&self, identity: file::Identity) -> Result<ExpectedIdentities, ConfigError> {
        let issuer: Issuer = identity.issuer.parse().map_err(|e| self.refuse("identity.issuer", e))?;
        let operator = identity.operator.as_ref().or(identity.release.as_ref());
        let roles = [
            (IdentityRole::Release, identity.release.as_ref(), "identity.release.ref"),
            (IdentityRole::Branch, identity.branch.as_ref(), "identity.branch.ref"),
            (IdentityRole::Operator, operator, "identity.operator.ref"),
        ];
        let accepted =
            roles.into_iter().map(|(role, pattern, key)| Ok((role, self.identity(&identity, &issuer, pattern, key)?)));
        let claims = identity.claims.iter().map(|(name, value)| RequiredClaim::new(name, value));
        let claims = claims.collect::<Result<_, _>>().map_err(|e| self.refuse("identity.claims", e))?;
        let accepted = ExpectedIdentities::new(accepted.collect::<Result<_, ConfigError>>()?);
        accepted.map(|accepted| accepted.with_claims(claims)).map_err(|e| self.refuse("identity", e))
    }

    fn identity(
        &self,
        identity: &file::Identity,
        issuer: &Issuer,
        pattern: Option<&file::RefPattern>,
        ref_key: &str,
    ) -> Result<ExpectedIdentity, ConfigError> {
        let issuer = issuer.clone();
        let name = match (&identity.github, &identity.identity, &identity.identity_regexp) {
            (Some(github), None, None) => {
                let workflow = github.workflow.as_ref().map(|w| w.parse()).transpose();
                let git_ref = pattern.map(|p| p.git_ref.parse()).transpose();
                let github = GitHubExpectation {
                    repository: github.repository.parse().map_err(|e| self.refuse("identity.github.repository", e))?,
                    workflow: workflow.map_err(|e| self.refuse("identity.github.workflow", e))?,
                    git_ref: git_ref.map_err(|e| self.refuse(ref_key, e))?,
                };
                return Ok(ExpectedIdentity::GitHub { issuer, github });
            }
            (None, Some(name), None) => NamePattern::exact(name).map_err(|e| self.refuse("identity.identity", e))?,
            (None, None, Some(regexp)) => {
                NamePattern::regexp(regexp).map_err(|e| self.refuse("identity.identity-regexp", e))?
            }
            _ => return Err(self.refuse("identity", "expected exactly one of github, identity, identity-regexp")),
        };
        if pattern.is_some() {
            return Err(
                self.refuse(ref_key, "needs identity.github: only its certificates are known to carry a git ref")
            );
        }
        Ok(ExpectedIdentity::Name { issuer, name })
    }
}

/// A credential crosses a network only encrypted.
fn may_receive_a_credential(realm: &str) -> bool {
    let Ok(url) = url::Url::parse(realm) else { return false };
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}

/// `200MB` is 200·10⁶, `200MiB` is 200·2²⁰, a bare number is bytes.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
