//! `--resume`: the digests of a release, from the record behind its version tag.

use crate::oci::{DigestReference, Repository, Tag};
use crate::ops::gather::lookup_failure;
use crate::ops::look::Look;
use crate::policy::{Reason, ReasonCode};
use crate::promotion::Version;

/// Looks at the version tags of `repositories` until one has a verified record of `version`, which names every image of
/// the release. Nothing is written.
///
/// # Errors
/// A look that failed, or no record anywhere.
pub async fn recorded(
    look: &Look<'_>,
    repositories: &[Repository],
    version: &Version,
) -> Result<Vec<DigestReference>, Reason> {
    for repository in repositories {
        for name in [format!("v{version}"), version.to_string()] {
            let Ok(tag) = name.parse::<Tag>() else { continue };
            let found = look.registry.head(repository, &tag).await.map_err(|error| lookup_failure(&error))?;
            let Some(digest) = found else { continue };
            let reference = DigestReference { repository: repository.clone(), digest };
            let records = look.verified_records(vec![reference]).await;
            let records = records.map_err(|why| Reason::new(ReasonCode::TargetUnknown, why))?;
            let of_version = records.iter().find(|record| record.record().version.as_ref() == Some(version));
            if let Some(record) = of_version {
                let images = record.record().images.iter();
                return Ok(images
                    .map(|i| DigestReference { repository: i.repository.clone(), digest: i.digest.clone() })
                    .collect());
            }
        }
    }
    let message = format!("no version tag of {version} has a promotion record that verifies");
    Err(Reason::new(ReasonCode::NotFound, message).with_help("promote the digests themselves"))
}
