//! Where `sbom`, `scan` and `push` take images from: a registry reference, a layout folder, or an archive.

use std::path::Path;
use std::sync::Arc;

use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::wiring;
use crate::image::{
    ArchiveSource, ErrorKind, ImageError, ImageNode, ImageSource, ImageTree, LayoutSource, RegistrySource, expand,
};
use crate::oci::{Descriptor, Digest, Platform, Reference, Repository};
use crate::ops::verify::fetch_root;

/// An opened source with the image chosen in it.
pub(crate) struct Opened {
    pub(crate) app: Arc<App>,
    pub(crate) source: Arc<dyn ImageSource>,
    pub(crate) root: Digest,
    /// `None` for files.
    pub(crate) repository: Option<Repository>,
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        let exit = match error.kind() {
            _ if matches!(error, ImageError::Layout { .. }) => Exit::Usage,
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::Refuted => Exit::Refuted,
            ErrorKind::Undecided | ErrorKind::Unreachable => Exit::Unknown,
            ErrorKind::Unauthenticated | ErrorKind::Forbidden => Exit::Unauthorised,
            ErrorKind::Internal => Exit::Internal,
        };
        let reason = error.reason();
        Self::new(exit, reason.code.as_str(), reason.message).help(reason.help)
    }
}

/// Opens `text`: a path that exists is a file, everything else a reference.
pub(crate) async fn open(shared: &Shared, text: &str) -> Result<Opened, Failure> {
    let path = Path::new(text);
    if path.is_dir() {
        let layout = LayoutSource::open(path).await?;
        let root = one_root(text, layout.roots().await?, &layout).await?;
        return Ok(Opened { app: wiring::app(shared, &[])?, source: Arc::new(layout), root, repository: None });
    }
    if path.is_file() {
        let archive = ArchiveSource::open(path).await?;
        let root = one_root(text, archive.roots().await?, &archive).await?;
        return Ok(Opened { app: wiring::app(shared, &[])?, source: Arc::new(archive), root, repository: None });
    }
    let reference: Reference = text.parse().map_err(|e: crate::oci::NameError| {
        Failure::usage(format!("{text:?} is neither a file nor a reference: {e}"))
            .help("expected REPOSITORY:TAG, REPOSITORY@DIGEST, a layout folder or an archive")
    })?;
    let app = wiring::app(shared, &[reference.repository()])?;
    let registry = app.registry()?;
    let root = fetch_root(registry.as_ref(), &reference).await.map_err(|verification| {
        let exit = wiring::exit_of(verification.verdict, &verification.reasons);
        let reason = verification.reasons.first();
        let message = reason.map_or_else(|| format!("{reference} cannot be read"), |r| r.message.clone());
        let help = reason.map(|r| r.help.clone()).unwrap_or_default();
        Failure::new(exit, reason.map_or("unknown", |r| r.code.as_str()), message).help(help)
    })?;
    let repository = reference.repository().clone();
    let source = Arc::new(RegistrySource::new(registry, repository.clone()));
    Ok(Opened { app, source, root: root.digest().clone(), repository: Some(repository) })
}

/// A layout may name several images; which one is meant must be clear.
async fn one_root(path: &str, roots: Vec<Descriptor>, source: &dyn ImageSource) -> Result<Digest, Failure> {
    match roots.as_slice() {
        [one] => {
            // What the layout says of its root must be true as well; a missing one is said by whoever reads the tree.
            let size = source.manifest(&one.digest).await?.map(|manifest| manifest.bytes().len() as u64);
            if let Some(size) = size.filter(|size| *size != one.size) {
                let subject = format!("size of manifest {} in {path}", one.digest);
                let (expected, found) = (one.size.to_string(), size.to_string());
                return Err(ImageError::Contradiction { subject, expected, found }.into());
            }
            Ok(one.digest.clone())
        }
        [] => Err(Failure::usage(format!("{path} holds no image"))),
        several => Err(Failure::usage(format!("{path} holds {} images, expected one", several.len()))
            .help("make a layout with one image, or push it and name it by digest")),
    }
}

impl Opened {
    /// Everything below the root.
    pub(crate) async fn tree(&self) -> Result<ImageTree, Failure> {
        Ok(expand(self.source.as_ref(), &self.root).await?)
    }

    /// The platform images of the tree, all or the one asked for.
    pub(crate) fn choose(&self, tree: &ImageTree, platform: Option<&Platform>) -> Result<Vec<ImageNode>, Failure> {
        let all = tree.images();
        let Some(platform) = platform else { return Ok(all) };
        let wanted = platform.normalised();
        let known: Vec<String> = all.iter().filter_map(|n| n.platform.as_ref()).map(ToString::to_string).collect();
        let found: Vec<ImageNode> =
            all.into_iter().filter(|n| n.platform.as_ref().is_some_and(|p| p.normalised() == wanted)).collect();
        if found.is_empty() {
            let message = format!("no platform {platform} in {}, found {}", self.root, known.join(", "));
            return Err(Failure::usage(message).help("pass one of the platforms found with --platform"));
        }
        Ok(found)
    }
}
