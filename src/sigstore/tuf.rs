//! The trust root of a known instance, kept fresh by TUF (theupdateframework.io, via `sigstore-tuf`).
//!
//! In this order: a verified cache that was refreshed lately; the repository; a verified cache of any age whose metadata has
//! not expired; the snapshot in this binary, which is said aloud. Everything cached is verified again from the root in this
//! binary on every load, so who can write the cache folder can at most withhold an update until the metadata expires.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use sigstore_trust_root::tuf::{SIGNING_CONFIG_TARGET, TRUSTED_ROOT_TARGET};
use sigstore_tuf::{FileStore, HttpRepository, Repository, StoreRepository, Updater};

use crate::causes::chain;
use crate::evidence::TrustRoot;
use crate::sigstore::{Instance, Services, SigstoreError};

/// A cache that was refreshed less than this ago is used without asking.
const REFRESH_EVERY: Duration = Duration::from_secs(24 * 3600);
/// The whole refresh: five small files. Longer would make every command wait where the network swallows packets.
const REFRESH_TIME: Duration = Duration::from_secs(10);
/// How long before an end people are told.
pub const EXPIRY_NOTICE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Its time of change is when the repository was last asked.
const MARK: &str = "refreshed";

/// May the network be asked?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Allowed,
    /// `verify --offline`: what is stored has to do.
    Forbidden,
}

/// Trust root and services of an instance, and how fresh they are.
#[derive(Debug, Clone)]
pub struct TrustMaterial {
    pub trust_root: TrustRoot,
    /// `None` for an instance that offers no signing.
    pub services: Option<Services>,
    pub origin: Origin,
}

/// Where trust material came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// By TUF; the root metadata is good until `expires`.
    Tuf { cached: bool, expires: Option<Timestamp> },
    /// The snapshot that this binary carries, because of `why`.
    Embedded { why: String },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tuf { cached: true, .. } => f.write_str("by TUF, from the verified cache"),
            Self::Tuf { cached: false, .. } => f.write_str("by TUF, refreshed now"),
            Self::Embedded { why } => write!(f, "the snapshot of this build ({why})"),
        }
    }
}

/// Bytes of one verified load.
struct Loaded {
    trusted_root: Vec<u8>,
    signing_config: Option<Vec<u8>>,
    expires: Option<Timestamp>,
}

/// The trust material of `instance`. `cache` is the folder for all instances; without one, and without network, the
/// snapshot is what there is. Fails only if material that verified cannot be read.
pub async fn trust_material(
    instance: Instance,
    cache: Option<&Path>,
    network: Network,
    now: Timestamp,
) -> Result<TrustMaterial, SigstoreError> {
    let folder = cache.map(|cache| cache.join("tuf").join(instance.to_string()));
    let Some(folder) = folder else { return embedded(instance, "no cache folder".to_owned()) };
    if network == Network::Forbidden || is_fresh(&folder) {
        match stored(instance, &folder, now).await {
            Ok(loaded) => return material(instance, loaded, true),
            Err(why) if network == Network::Forbidden => return embedded(instance, why),
            Err(_) => {}
        }
    }
    match tokio::time::timeout(REFRESH_TIME, refreshed(instance, &folder, now)).await {
        Ok(Ok(loaded)) => material(instance, loaded, false),
        failed => {
            let why = failed.map_or_else(|_| "no answer in time".to_owned(), |e| e.err().unwrap_or_default());
            tracing::info!("trust root of {instance} was not refreshed: {why}");
            match stored(instance, &folder, now).await {
                Ok(loaded) => material(instance, loaded, true),
                Err(_) => embedded(instance, why),
            }
        }
    }
}

fn embedded(instance: Instance, why: String) -> Result<TrustMaterial, SigstoreError> {
    let services = instance.services().ok();
    Ok(TrustMaterial { trust_root: instance.trust_root()?, services, origin: Origin::Embedded { why } })
}

fn material(instance: Instance, loaded: Loaded, cached: bool) -> Result<TrustMaterial, SigstoreError> {
    let unusable = |why: String| SigstoreError::TrustRoot { origin: format!("{instance} by TUF"), why };
    let trust_root = TrustRoot::from_json(&loaded.trusted_root).map_err(|e| unusable(e.to_string()))?;
    let services = loaded.signing_config.as_deref().map(Services::from_json).transpose()?;
    Ok(TrustMaterial { trust_root, services, origin: Origin::Tuf { cached, expires: loaded.expires } })
}

fn is_fresh(folder: &Path) -> bool {
    let changed = std::fs::metadata(folder.join(MARK)).and_then(|mark| mark.modified());
    // A mark from the future says nothing.
    changed.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age < REFRESH_EVERY))
}

async fn refreshed(instance: Instance, folder: &PathBuf, now: Timestamp) -> Result<Loaded, String> {
    let text = |e: sigstore_tuf::Error| chain(&e);
    let client = reqwest::Client::builder()
        .connect_timeout(REFRESH_TIME / 2)
        .timeout(REFRESH_TIME)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| e.to_string())?;
    let repository = HttpRepository::new(instance.known().tuf_url()).map_err(text)?.with_http_client(client);
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let loaded = load(repository, instance.known().tuf_root(), folder, now).await?;
    // Only a time; without it the next run asks again.
    let _ = std::fs::write(folder.join(MARK), b"");
    Ok(loaded)
}

async fn stored(instance: Instance, folder: &Path, now: Timestamp) -> Result<Loaded, String> {
    let store = FileStore::new(folder);
    load(StoreRepository::new(store), instance.known().tuf_root(), folder, now).await
}

/// The TUF workflow: root, timestamp, snapshot, targets; then the targets we need, each checked by length and hash.
async fn load(
    repository: impl Repository + 'static,
    root: &[u8],
    folder: &Path,
    now: Timestamp,
) -> Result<Loaded, String> {
    let text = |e: sigstore_tuf::Error| chain(&e);
    let mut updater = Updater::new(repository, root).map_err(text)?.with_store(FileStore::new(folder));
    updater.refresh(now).await.map_err(text)?;
    let trusted_root = updater.get_target(TRUSTED_ROOT_TARGET, now).await.map_err(text)?;
    let signing_config = match updater.get_target(SIGNING_CONFIG_TARGET, now).await {
        Ok(bytes) => Some(bytes),
        Err(sigstore_tuf::Error::TargetNotFound(_)) => None,
        Err(error) => return Err(chain(&error)),
    };
    let expires = updater.trusted().root().expires.to_string().parse().ok();
    Ok(Loaded { trusted_root, signing_config, expires })
}

#[cfg(test)]
#[path = "tuf_tests.rs"]
mod tests;
