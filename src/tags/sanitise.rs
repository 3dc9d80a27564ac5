//! Branch names as tags. A branch is named by anyone who may push one: it must never become a version, channel, commit
//! or evidence tag, which other rules guard.

use crate::oci::Tag;
use crate::promotion::{Scope, Version};
use crate::tags::TagError;

/// `[^a-zA-Z0-9._-]+` becomes `-` (as docker/metadata-action), and leading `.` and `-` go, because no tag starts so.
pub(super) fn branch_tag(branch: &str, suffix: &str) -> Result<Tag, TagError> {
    let name = sanitised(branch);
    if name.is_empty() {
        return Err(TagError::EmptyBranchName { branch: branch.to_owned() });
    }
    let tag: Tag = format!("{name}{suffix}").parse()?;
    if is_reserved(&name.parse()?) || is_reserved(&tag) {
        return Err(TagError::ReservedBranchName { branch: branch.to_owned(), tag: tag.to_string() });
    }
    Ok(tag)
}

pub(super) fn sanitised(branch: &str) -> String {
    let mut name = String::new();
    for c in branch.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' => name.push(c),
            '-' => name.push(c),
            _ if replaced_before(&name) => {}
            _ => name.push(REPLACED),
        }
    }
    name.replace(REPLACED, "-").trim_start_matches(['.', '-']).to_owned()
}

/// Stands for a run of replaced characters until the end, so that a real `-` beside it is not swallowed.
const REPLACED: char = '\u{0}';

fn replaced_before(name: &str) -> bool {
    name.ends_with(REPLACED)
}

/// Names that belong to other classes of tags, or to evidence (`sha256-…`, `….sig`).
fn is_reserved(tag: &Tag) -> bool {
    let name = tag.as_str();
    let hex = |text: &str| (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let base = name.strip_suffix("-dev").unwrap_or(name);
    let commit = base.rsplit_once("sha-").map_or(base, |(_, digits)| digits);
    let pull_request = name.strip_prefix("pr-").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    Version::of_tag(tag).is_some()
        || Scope::of_tag(tag).is_some()
        || hex(commit)
        || pull_request
        || name.starts_with("sha256-")
        || name.starts_with("sha512-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_names_become_tags_as_metadata_action_does() {
        for (branch, tag) in [
            ("main", "main"),
            ("feat/x", "feat-x"),
            ("fix/a&b='c'", "fix-a-b-c-"),
            ("a-/b", "a--b"),
            ("-x", "x"),
            ("_x", "_x"),
            ("Déjà", "D-j-"),
        ] {
            assert_eq!(branch_tag(branch, "").unwrap().as_str(), tag, "{branch}");
        }
    }

    #[test]
    fn a_branch_never_becomes_a_tag_of_another_class() {
        for branch in [
            "latest",
            "latest-dev",
            "1.2.3",
            "v1.2.3",
            "1.2.3-rc.1",
            "1",
            "v1",
            "1.2",
            "1/2",
            "abc1234",
            "sha-abc1234",
            "main-sha-abc1234",
            "pr-5",
            "sha256-00",
            "1.2.3/x",
            "v2-rc",
        ] {
            assert!(branch_tag(branch, "").is_err(), "{branch}");
        }
        assert!(matches!(branch_tag("///", ""), Err(TagError::EmptyBranchName { .. })));
        assert!(branch_tag(&"a".repeat(129), "").is_err());
    }
}
