//! What Fulcio makes of a token's claims: the subject alternative name, the proof-of-possession challenge and the
//! extensions under 1.3.6.1.4.1.57264.1, with the templates of the public instance for GitHub Actions.

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

/// A token's claims.
pub type Claims = Map<String, Value>;

const GITHUB: &str = "https://github.com";

/// A subject alternative name of a signing certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum San {
    Email(String),
    Uri(String),
    Dns(String),
}

/// What a certificate says about its holder.
#[derive(Clone, Debug)]
pub struct Identity {
    pub issuer: String,
    pub san: San,
    /// The bytes a client signs to prove that it holds the key.
    pub challenge: String,
    /// Last arc of the OID and the value; `.2`–`.6` are raw, all later ones DER strings.
    pub extensions: Vec<(u32, String)>,
}

/// Whose templates apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerKind {
    Email,
    GitHubActions,
}

impl Identity {
    /// Read an identity off claims whose signature, audience and dates have been checked.
    pub fn from_claims(claims: &Claims, kind: IssuerKind) -> Result<Self> {
        match kind {
            IssuerKind::Email => Self::email(claims),
            IssuerKind::GitHubActions => Self::github(claims),
        }
    }

    fn email(claims: &Claims) -> Result<Self> {
        let email = text(claims, "email")?;
        if claims.get("email_verified").and_then(Value::as_bool) != Some(true) {
            bail!("email {email} is not verified");
        }
        Ok(Self {
            issuer: text(claims, "iss")?,
            san: San::Email(email.clone()),
            challenge: email,
            extensions: vec![(24, text(claims, "sub")?)],
        })
    }

    fn github(claims: &Claims) -> Result<Self> {
        let claim = |name| text(claims, name);
        let url = |name| Ok::<_, anyhow::Error>(format!("{GITHUB}/{}", text(claims, name)?));
        let run =
            format!("{}/actions/runs/{}/attempts/{}", url("repository")?, claim("run_id")?, claim("run_attempt")?);
        let mut extensions = vec![
            (2, claim("event_name")?),
            (3, claim("sha")?),
            (4, claim("workflow")?),
            (5, claim("repository")?),
            (6, claim("ref")?),
            (9, url("job_workflow_ref")?),
            (10, claim("job_workflow_sha")?),
            (11, claim("runner_environment")?),
            (12, url("repository")?),
            (13, claim("sha")?),
            (14, claim("ref")?),
            (15, claim("repository_id")?),
            (16, url("repository_owner")?),
            (17, claim("repository_owner_id")?),
            (18, url("workflow_ref")?),
            (19, claim("workflow_sha")?),
            (20, claim("event_name")?),
            (21, run),
            (22, claim("repository_visibility")?),
        ];
        // Fulcio leaves an empty value out: a job without `environment` has no .23.
        extensions.extend(claim("environment").ok().map(|e| (23, e)));
        extensions.push((24, claim("sub")?));
        Ok(Self {
            issuer: claim("iss")?,
            san: San::Uri(url("job_workflow_ref")?),
            challenge: claim("sub")?,
            extensions,
        })
    }
}

fn text(claims: &Claims, name: &str) -> Result<String> {
    claims.get(name).and_then(Value::as_str).map(str::to_owned).with_context(|| format!("token has no claim {name}"))
}
