//! Expected identities that accept more than their author meant, found by trying.
//!
//! A regexp is not read, it is asked: names with one part changed (another ref, another workflow, another repository,
//! another mailbox) are matched against it. The names come from certificates that were found, else from the literal text
//! the pattern begins with. Nothing here decides: findings are warnings, and what to write instead is the found
//! certificate's own identity.

use crate::identity::{
    ExpectedIdentities, ExpectedIdentity, GitHubExpectation, NamePattern, SignerIdentity, WorkflowRun, accepting_flags,
    workflow_run,
};
use crate::policy::explanation::shell_word;
use crate::policy::{Reason, ReasonCode};

mod pattern;

/// A name that nobody has.
const NOBODY: &str = "countersign-lint-nobody";
/// Refs of each kind a workflow can run on; a pattern that accepts all of them accepts any.
const REFS: [&str; 4] = ["refs/tags/v1.2.3", "refs/tags/1.2.3", "refs/heads/main", "refs/pull/1/merge"];
/// A ref under nobody's control: a branch anybody with write access to the repository may push.
const ANY_BRANCH: &str = "refs/heads/countersign-lint-nobody";

/// One way in which an expected identity is too broad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFinding {
    pub code: ReasonCode,
    /// What is accepted, with an example where one was found by trying.
    pub message: String,
    /// The certificate whose identity would be the exact one to use instead.
    pub found: Option<SignerIdentity>,
}

/// What is too broad about `expected`. `found`: signers of authentic certificates on the images in question; those that
/// `expected` accepts show what it is meant for.
#[must_use]
pub fn lint(expected: &ExpectedIdentity, found: &[SignerIdentity]) -> Vec<IdentityFinding> {
    let meant: Vec<&SignerIdentity> = found.iter().filter(|signer| expected.matches(signer).is_ok()).collect();
    let mut findings = match expected {
        ExpectedIdentity::GitHub { github, .. } => lint_github(github),
        ExpectedIdentity::Name { name: NamePattern::Exact(name), .. } => lint_exact(name, &meant),
        ExpectedIdentity::Name { name, .. } => lint_regexp(name, &meant),
    };
    for finding in &mut findings {
        finding.found = meant.first().map(|signer| (*signer).clone());
    }
    findings
}

impl IdentityFinding {
    /// The flags of the exact identity to use instead, where a certificate showed one.
    #[must_use]
    pub fn use_instead(&self) -> Option<Vec<String>> {
        self.found.as_ref().map(accepting_flags)
    }

    /// As a warning, whose help is the identity to use instead.
    #[must_use]
    pub fn reason(&self) -> Reason {
        let reason = Reason::new(self.code, self.message.clone());
        match (&self.found, self.use_instead()) {
            (Some(signer), Some(flags)) => {
                let flags = flags.iter().map(|flag| shell_word(flag)).collect::<Vec<_>>().join(" ");
                reason.with_help(format!("use {flags} (the certificate found: {})", shell_word(&signer.name)))
            }
            _ => reason,
        }
    }
}

/// Each distinct finding about any of the accepted identities, as warnings.
#[must_use]
pub fn warnings(expected: &ExpectedIdentities, found: &[SignerIdentity]) -> Vec<Reason> {
    let mut warnings: Vec<Reason> = Vec::new();
    for finding in expected.iter().flat_map(|(_, expected)| lint(expected, found)) {
        let warning = finding.reason();
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    warnings
}

fn finding(code: ReasonCode, message: String) -> IdentityFinding {
    IdentityFinding { code, message, found: None }
}

fn lint_github(github: &GitHubExpectation) -> Vec<IdentityFinding> {
    let mut findings = Vec::new();
    let repository = &github.repository;
    if github.git_ref.as_ref().is_none_or(|git_ref| REFS.iter().all(|probe| git_ref.matches(probe))) {
        let message = format!("runs of {repository} on any ref are accepted, those of pull requests included");
        findings.push(finding(ReasonCode::IdentityAnyRef, message));
    }
    if github.workflow.is_none() {
        let message = format!("any workflow of {repository} is accepted");
        findings.push(finding(ReasonCode::IdentityAnyWorkflow, message));
    }
    findings
}

/// An exact name is as narrow as a name can be; but a reusable workflow's is the same whoever calls it.
fn lint_exact(name: &str, meant: &[&SignerIdentity]) -> Vec<IdentityFinding> {
    reusable(name, meant).into_iter().collect()
}

fn reusable(name: &str, meant: &[&SignerIdentity]) -> Option<IdentityFinding> {
    let (run, caller) = meant.iter().find_map(|signer| {
        let run = workflow_run(&signer.name)?;
        let caller = signer.claims.source_repository_uri.as_deref()?;
        (run.repository != caller).then(|| (run, caller.to_owned()))
    })?;
    let message = format!(
        "{name} is a reusable workflow of {}: any repository that calls it is accepted, not only {caller}",
        run.repository
    );
    Some(finding(ReasonCode::IdentityReusableWorkflow, message))
}

fn lint_regexp(name: &NamePattern, meant: &[&SignerIdentity]) -> Vec<IdentityFinding> {
    let NamePattern::Regexp { pattern, .. } = name else { return Vec::new() };
    let mut findings: Vec<IdentityFinding> = Vec::new();
    if !pattern::is_anchored(pattern) {
        let message = format!(
            "regexp {pattern} has no anchors: the whole name is matched here, but cosign and admission controllers \
             would match it inside a longer name"
        );
        findings.push(finding(ReasonCode::IdentityUnanchored, message));
    }
    let accepted = |probe: &String| name.matches(probe);
    let mut accepts = |code, what: &str, probes: Vec<String>| {
        if findings.iter().all(|finding| finding.code != code)
            && let Some(example) = probes.iter().find(|probe| accepted(probe))
        {
            findings.push(finding(code, format!("regexp {pattern} accepts {what}, for example {example}")));
        }
    };
    let mut names: Vec<String> = meant.iter().map(|signer| signer.name.clone()).collect();
    names.extend(pattern::examples(pattern).into_iter().filter(|example| name.matches(example)));
    for base in &names {
        if let Some(run) = workflow_run(base) {
            accepts(ReasonCode::IdentityAnyRepository, "other repositories", other_repositories(&run));
            accepts(ReasonCode::IdentityAnyWorkflow, "other workflows", vec![other_workflow(&run)]);
            accepts(ReasonCode::IdentityAnyRef, "any ref", vec![other_ref(&run)]);
        } else if let Some((mailbox, domain)) = base.rsplit_once('@').filter(|_| !base.contains('/')) {
            let others = vec![
                format!("{NOBODY}@{domain}"),
                format!("{mailbox}.{NOBODY}@{domain}"),
                format!("{NOBODY}@{NOBODY}.example"),
                format!("{base}.{NOBODY}.example"),
            ];
            accepts(ReasonCode::IdentityEmailWildcard, "other addresses", others);
        }
    }
    findings.extend(reusable(&format!("regexp {pattern}"), meant));
    findings
}

fn name_of(repository: &str, path: &str, git_ref: &str) -> String {
    format!("{repository}/{path}@{git_ref}")
}

/// Another repository of the owner, another owner, and hosts that look alike.
fn other_repositories(run: &WorkflowRun) -> Vec<String> {
    let mut parts = run.repository.rsplitn(3, '/');
    let (Some(name), Some(owner), Some(server)) = (parts.next(), parts.next(), parts.next()) else {
        return Vec::new();
    };
    let repositories = [
        format!("{server}/{owner}/{NOBODY}"),
        format!("{server}/{NOBODY}/{name}"),
        format!("{server}/{owner}/{name}-{NOBODY}"),
        format!("{server}/{owner}-{NOBODY}/{name}"),
        format!("https://{NOBODY}.example/{owner}/{name}"),
        format!("{}/{owner}/{name}", server.replacen('.', "x", 1)),
    ];
    repositories.iter().filter(|other| **other != run.repository).map(|r| name_of(r, &run.path, &run.git_ref)).collect()
}

fn other_workflow(run: &WorkflowRun) -> String {
    name_of(&run.repository, &format!(".github/workflows/{NOBODY}.yml"), &run.git_ref)
}

fn other_ref(run: &WorkflowRun) -> String {
    name_of(&run.repository, &run.path, ANY_BRANCH)
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
