//! Where channels belong, when the answer may lie below the version at hand: reads version tags from the top until the
//! plan knows enough.

use crate::oci::{DigestReference, Tag};
use crate::ops::look::Look;
use crate::policy::Reason;
use crate::promotion::plan::{Best, PlanInput, best_of, restore};
use crate::promotion::{AllowedTag, Scope, TagClass, TagMove, Version};

/// Reads into `input` what [`best_of`] needs for `channel`, and gives its answer.
///
/// # Errors
/// What could not be looked at.
pub async fn best(
    look: &Look<'_>,
    input: &mut PlanInput,
    channel: &Tag,
    scope: &Scope,
    below: Option<&Version>,
) -> Result<Best, Reason> {
    loop {
        let tag = match best_of(input, channel, scope, below)? {
            Best::Examine(tag) => tag,
            known @ (Best::Version { .. } | Best::Nothing) => return Ok(known),
        };
        examine(look, input, &tag).await?;
    }
}

/// HEAD of `tag`, and the records of its target.
///
/// # Errors
/// The tag could not be looked at. Unreadable records are an entry that says so.
pub async fn examine(look: &Look<'_>, input: &mut PlanInput, tag: &Tag) -> Result<(), Reason> {
    if !input.targets.contains_key(tag) {
        let mut found = look.heads(&input.repository, vec![tag.clone()]).await;
        let Some(target) = found.remove(tag) else {
            let message = format!("cannot look at {}:{tag}", input.repository);
            return Err(Reason::new(crate::policy::ReasonCode::TargetUnknown, message));
        };
        input.targets.insert(tag.clone(), target);
    }
    if let Some(Some(digest)) = input.targets.get(tag)
        && !input.records.contains_key(digest)
    {
        let reference = DigestReference { repository: input.repository.clone(), digest: digest.clone() };
        let records = look.records_on(&reference).await;
        input.records.insert(reference.digest, records);
    }
    Ok(())
}

/// The lines of these channels, phase by phase. `input` has been read for them.
///
/// # Errors
/// What could not be looked at.
pub async fn restore_all(look: &Look<'_>, input: &mut PlanInput, channels: &[Tag]) -> Result<Vec<TagMove>, Reason> {
    let mut lines = Vec::new();
    for tag in channels {
        let Some(scope) = Scope::of_tag(tag) else { continue };
        examine(look, input, tag).await?;
        best(look, input, tag, &scope, None).await?;
        let allowed = AllowedTag { tag: tag.clone(), class: TagClass::Channel(scope.clone()) };
        lines.push(restore(input, &allowed, &scope)?);
    }
    lines.sort_by_key(TagMove::phase);
    Ok(lines)
}
