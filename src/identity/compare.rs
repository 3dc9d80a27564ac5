//! Expected identity beside found identity, claim by claim, and the flags that would accept the found one. For reports:
//! [`ExpectedIdentities::matches`] alone decides.

use crate::identity::{
    ExpectedIdentities, ExpectedIdentity, GitHubRepository, IdentityField, SignerIdentity, Workflow, workflow_run,
};
use crate::policy::ComparedClaim;

/// One claim of one accepted identity.
struct Claim {
    name: &'static str,
    field: IdentityField,
    expected: Option<String>,
    same: bool,
}

impl ExpectedIdentities {
    /// Every claim that is compared, for the accepted identities that come closest to `signer`.
    #[must_use]
    pub fn compare(&self, signer: &SignerIdentity) -> Vec<ComparedClaim> {
        let each: Vec<Vec<Claim>> = self.iter().map(|(_, expected)| claims(expected, signer)).collect();
        let agreeing = |claims: &Vec<Claim>| claims.iter().filter(|claim| claim.same).count();
        let Some(best) = each.iter().map(agreeing).max() else { return Vec::new() };
        let closest: Vec<&Vec<Claim>> = each.iter().filter(|claims| agreeing(claims) == best).collect();
        let mut merged: Vec<ComparedClaim> = Vec::new();
        for claim in closest.into_iter().flatten() {
            match merged.iter_mut().find(|known| known.claim == claim.name) {
                Some(known) => join(known, claim),
                None => merged.push(ComparedClaim {
                    claim: claim.name,
                    expected: claim.expected.clone(),
                    found: found(claim.field, signer),
                    same: claim.same,
                }),
            }
        }
        merged.extend(self.claims().iter().map(|claim| ComparedClaim {
            claim: claim.name(),
            expected: Some(claim.value().to_owned()),
            found: claim.found(&signer.claims).map(str::to_owned),
            same: claim.matches(&signer.claims).is_ok(),
        }));
        merged
    }
}

/// Several accepted identities differ in a claim: any of them would do.
fn join(known: &mut ComparedClaim, claim: &Claim) {
    known.same |= claim.same;
    known.expected = match (known.expected.take(), &claim.expected) {
        (Some(a), Some(b)) if a != *b => Some(format!("{a} or {b}")),
        (Some(a), Some(_)) => Some(a),
        _ => None,
    };
}

fn claims(expected: &ExpectedIdentity, signer: &SignerIdentity) -> Vec<Claim> {
    let issuer = expected.issuer().to_string();
    let same = signer.issuer == issuer;
    let mut claims = vec![Claim { name: "issuer", field: IdentityField::Issuer, expected: Some(issuer), same }];
    match expected {
        ExpectedIdentity::Name { name, .. } => {
            let (expected, same) = (Some(name.to_string()), name.matches(&signer.name));
            claims.push(Claim { name: "identity", field: IdentityField::Name, expected, same });
        }
        ExpectedIdentity::GitHub { github, .. } => {
            let parts = github.compare(&signer.claims);
            // The name is shown, but the claims behind it are what is compared.
            claims.push(Claim { name: "identity", field: IdentityField::Name, expected: None, same: true });
            claims.extend(parts.into_iter().map(|(field, expected, same)| {
                let name = match field {
                    IdentityField::Ref => "source ref",
                    IdentityField::Workflow => "workflow",
                    IdentityField::Claim(name) => name,
                    IdentityField::Repository | IdentityField::Issuer | IdentityField::Name => "source repository",
                };
                Claim { name, field, expected, same }
            }));
        }
    }
    claims
}

fn found(field: IdentityField, signer: &SignerIdentity) -> Option<String> {
    match field {
        IdentityField::Name => Some(signer.name.clone()),
        IdentityField::Issuer => Some(signer.issuer.clone()),
        IdentityField::Repository => signer.claims.source_repository_uri.clone(),
        IdentityField::Ref => signer.claims.source_repository_ref.clone(),
        IdentityField::Workflow => signer.claims.build_signer_uri.clone(),
        // Compared beside the identities, not with one of them.
        IdentityField::Claim(_) => None,
    }
}

/// The narrowest flags that accept `signer`: a workflow run by its claims, anybody else by the exact name.
#[must_use]
pub fn accepting_flags(signer: &SignerIdentity) -> Vec<String> {
    let mut flags = vec!["--issuer".to_owned(), signer.issuer.clone()];
    match github_flags(signer) {
        Some(github) => flags.extend(github),
        None => flags.extend(["--identity".to_owned(), signer.name.clone()]),
    }
    flags
}

fn github_flags(signer: &SignerIdentity) -> Option<Vec<String>> {
    let repository: GitHubRepository = signer.claims.source_repository_uri.as_deref()?.parse().ok()?;
    let git_ref = signer.claims.source_repository_ref.clone()?;
    let run = workflow_run(signer.claims.build_signer_uri.as_deref()?)?;
    let workflow = match run.repository == repository.uri() {
        true => run.path.clone(),
        false => {
            let owner_and_name = run.repository.strip_prefix(repository.server())?.strip_prefix('/')?;
            format!("{owner_and_name}/{}", run.path)
        }
    };
    workflow.parse::<Workflow>().ok()?;
    let words = ["--github-repository", &repository.to_string(), "--github-workflow", &workflow, "--github-ref"];
    let mut flags: Vec<String> = words.into_iter().map(str::to_owned).collect();
    flags.push(git_ref);
    Some(flags)
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
