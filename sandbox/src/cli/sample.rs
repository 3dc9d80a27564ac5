//! Sample images: as a folder, or pushed by digest over HTTP.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use countersign_sandbox::image::samples::Sample;
use countersign_sandbox::image::{Content, Index, write_layout};

use super::{http, say};

/// Which sample.
#[derive(Debug, clap::Args)]
struct Choice {
    /// debian, alpine or node
    #[arg(long, default_value = "debian")]
    sample: String,
    /// With packages that have known vulnerabilities
    #[arg(long)]
    vulnerable: bool,
    /// With zlib1g, which has a critical vulnerability that Debian 12 will not fix
    #[arg(long)]
    unfixed: bool,
    /// Label org.opencontainers.image.source
    #[arg(long)]
    source: Option<String>,
    /// Label org.opencontainers.image.revision
    #[arg(long)]
    revision: Option<String>,
    /// Label org.opencontainers.image.version; also changes the content
    #[arg(long = "image-version")]
    image_version: Option<String>,
}

/// `layout`
#[derive(Debug, clap::Args)]
pub(super) struct Layout {
    #[command(flatten)]
    choice: Choice,
    /// The folder to write
    #[arg(long)]
    out: PathBuf,
    /// Its org.opencontainers.image.ref.name
    #[arg(long, default_value = "sample")]
    name: String,
}

/// `push-sample`
#[derive(Debug, clap::Args)]
pub(super) struct PushSample {
    #[command(flatten)]
    choice: Choice,
    /// HOST:PORT/NAME
    repository: String,
    /// Also set this tag
    #[arg(long)]
    tag: Option<String>,
}

impl Choice {
    fn build(self) -> Result<Index> {
        let Self { sample, vulnerable, unfixed, source, revision, image_version } = self;
        Sample { vulnerable, unfixed, source, revision, version: image_version }.named(&sample)
    }
}

impl Layout {
    pub(super) fn run(self) -> Result<()> {
        let index = self.choice.build()?;
        write_layout(&self.out, &[(&self.name, &index)])?;
        say(&index.digest)
    }
}

impl PushSample {
    pub(super) fn run(self) -> Result<()> {
        let index = self.choice.build()?;
        let Some((host, name)) = self.repository.split_once('/') else {
            bail!("{} is not HOST:PORT/NAME", self.repository)
        };
        let base = format!("http://{host}/v2/{name}");
        for (digest, bytes) in index.blobs() {
            push_blob(host, &base, &digest, &bytes)?;
        }
        for node in index.manifests() {
            put_manifest(&format!("{base}/manifests/{}", node.digest), &node.media_type, &node.bytes)?;
        }
        if let Some(tag) = &self.tag {
            let root = index.root();
            put_manifest(&format!("{base}/manifests/{tag}"), &root.media_type, &root.bytes)?;
        }
        say(&format!("{}@{}", self.repository, index.digest))
    }
}

fn push_blob(host: &str, base: &str, digest: &str, bytes: &[u8]) -> Result<()> {
    if http::send("HEAD", &format!("{base}/blobs/{digest}"), "", &[])?.status == 200 {
        return Ok(());
    }
    let started = http::send("POST", &format!("{base}/blobs/uploads/"), "", &[])?;
    let location = started.header("location").ok_or_else(|| anyhow!("upload was answered {}", started.status))?;
    let location = if location.starts_with('/') { format!("http://{host}{location}") } else { location.to_owned() };
    let separator = if location.contains('?') { '&' } else { '?' };
    let url = format!("{location}{separator}digest={digest}");
    expect_created(&http::send("PUT", &url, "application/octet-stream", bytes)?, digest)
}

fn put_manifest(url: &str, media_type: &str, bytes: &[u8]) -> Result<()> {
    expect_created(&http::send("PUT", url, media_type, bytes)?, url)
}

fn expect_created(answer: &http::Answer, what: &str) -> Result<()> {
    if answer.status == 201 {
        return Ok(());
    }
    bail!("{what} was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body))
}
