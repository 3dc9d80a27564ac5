//! Each tag by itself: does a record explain where it points, and is a channel where it belongs?

use crate::oci::{Digest, Tag};
use crate::ops::audit::{Audit, Bare, Facts, Finding};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::{Best, DigestRecords, RecordedRelease, best_of, shown_version, shows_withdrawn};
use crate::promotion::{Scope, Version};

pub(super) fn check(facts: &Facts, audit: &mut Audit) {
    for (tag, target) in &facts.input.targets {
        let Some(digest) = target else { continue };
        match facts.input.records.get(digest) {
            Some(DigestRecords::Read(releases)) => match one(facts, tag, digest, releases) {
                Ok(Some(reason)) => {
                    let finding = Finding { tag: tag.clone(), digest: digest.clone(), reason };
                    audit.findings.push(finding);
                }
                Ok(None) => {}
                Err(why) => audit.unknown.push(why),
            },
            Some(DigestRecords::Unreadable { why }) => {
                audit.unknown.push(Reason::new(ReasonCode::TargetUnknown, format!("{tag}: {why}")));
            }
            None => {
                let message = format!("{tag}: records of {digest} were not read");
                audit.unknown.push(Reason::new(ReasonCode::TargetUnknown, message));
            }
        }
    }
}

fn one(facts: &Facts, tag: &Tag, digest: &Digest, releases: &[RecordedRelease]) -> Result<Option<Reason>, Reason> {
    let repository = &facts.input.repository;
    let named = format!("{repository}:{tag}");
    let allowed = releases.iter().any(|r| r.record.allows(repository, digest, tag));
    let scope = Scope::of_tag(tag);
    if !allowed {
        return Ok(Some(match (&scope, facts.bare.get(digest)) {
            (Some(_), _) => {
                let message = format!("{named} points to {digest}, which no promotion record allows there");
                let help = format!("countersign rollback {named}, which moves it back to what was promoted");
                Reason::new(ReasonCode::ForeignTarget, message).with_help(help)
            }
            (None, Some(Bare::Unsigned)) => unsigned(&named, tag, digest),
            (None, Some(Bare::HalfSigned)) => {
                let message = format!("{named} points to {digest}, which has attestations but no promotion record");
                Reason::new(ReasonCode::MissingAttestation, message).with_help(promote(
                    &facts.input.repository.to_string(),
                    tag,
                    digest,
                ))
            }
            (None, None) => {
                let of = releases.iter().filter_map(|r| r.record.version.as_ref()).map(ToString::to_string).next();
                let of = of.map(|version| format!(", a release of {version}")).unwrap_or_default();
                let message = format!("{named} points to {digest}{of}, whose record does not name this tag");
                let help = format!("find out who moved {tag}; point it back, or remove it in the registry");
                Reason::new(ReasonCode::TagNotAuthorised, message).with_help(help)
            }
        }));
    }
    match scope {
        Some(scope) => channel(facts, tag, &scope, &named),
        None => Ok(None),
    }
}

fn unsigned(named: &str, tag: &Tag, digest: &Digest) -> Reason {
    let message = format!("{named} points to {digest}, to which nothing is attached that verifies");
    let repository = named.rsplit_once(':').map_or(named, |(repository, _)| repository);
    Reason::new(ReasonCode::Unsigned, message).with_help(promote(repository, tag, digest))
}

fn promote(repository: &str, tag: &Tag, digest: &Digest) -> String {
    match Version::of_tag(tag) {
        Some(version) => format!("countersign promote {repository}@{digest} --version {version}, or remove the tag"),
        None => format!("promote it with countersign, or remove the tag {tag}"),
    }
}

/// A channel that a record explains: is it the right one?
fn channel(facts: &Facts, tag: &Tag, scope: &Scope, named: &str) -> Result<Option<Reason>, Reason> {
    let input = &facts.input;
    let Some(shown) = shown_version(input, tag)? else { return Ok(None) };
    if shows_withdrawn(input, tag) {
        let message = format!("{named} shows {shown}, which was withdrawn");
        let help = format!(
            "countersign withdraw {} --version {shown} --reason TEXT finishes the withdrawal; \
                            without a version left, release a new one",
            input.repository
        );
        return Ok(Some(Reason::new(ReasonCode::Withdrawn, message).with_help(help)));
    }
    if let Some(hold) = input.hold(tag).filter(|hold| hold.excludes(&shown)) {
        let message = format!("{named} shows {shown}, but was rolled back to {}", hold.to.version);
        let help = format!("countersign rollback {named} --to {} finishes the rollback", hold.to.version);
        return Ok(Some(Reason::new(ReasonCode::ChannelHeld, message).with_help(help)));
    }
    match best_of(input, tag, scope, None)? {
        Best::Version { version, .. } if version > shown => {
            let message = format!("{named} shows {shown}, but {version} is the highest version of its scope");
            let help = format!("countersign promote --resume --version {version} moves it forward");
            Ok(Some(Reason::new(ReasonCode::NotHighest, message).with_help(help)))
        }
        Best::Version { .. } | Best::Nothing | Best::Examine(_) => Ok(None),
    }
}
