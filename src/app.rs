//! The wiring: the only place that names concrete edges. Reads files, builds clients, and hands ports to `ops`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::config::environment::Environment;
use crate::config::{Config, DEFAULT_PATHS, MAX_CONFIG_BYTES};
use crate::evidence::TrustRoot;
use crate::github::GitHub;
use crate::github::http::{HttpGitHub, PUBLIC_API};
use crate::identity::GitHubRepository;
use crate::image::LayerCache;
use crate::ops::promote::{FreshRegistry, Stop};
use crate::policy::PolicySet;
use crate::registry::http::{CredentialOptions, ExplicitToken, HttpOptions, HttpRegistry, Warnings};
use crate::registry::{Registry, StopSignal};
use crate::scanner::{AcceptedBinary, DEFAULT_REQUIRED, DEFAULT_TIMEOUT, Trivy, TrivyOptions};
use crate::sigstore::{
    Browser, Clock, Instance, KeylessSigner, Network, Origin, Person, Services, SigstoreError, TokenSource,
    TrustMaterial, load_trust_root, trust_material,
};

/// What the command line decides about the edges; flags and environment already merged over the file.
#[derive(Debug, Clone, Default)]
pub struct Wiring {
    pub config: Option<PathBuf>,
    pub sigstore: Option<String>,
    pub trust_root: Option<PathBuf>,
    pub signing_config: Option<PathBuf>,
    pub identity_token_file: Option<PathBuf>,
    pub trivy: Option<PathBuf>,
    pub trivy_db: Option<PathBuf>,
    pub policy: Option<PathBuf>,
    /// An address, or `off`.
    pub github_api: Option<String>,
    pub plain_http: Vec<String>,
    /// `--registry-token-stdin`: the registry it is for, and the token.
    pub registry_token: Option<(String, SecretString)>,
    /// One registry operation with its retries.
    pub timeout: Option<Duration>,
}

/// Why the program could not be wired; always the user's to fix (exit 2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WiringError {
    pub code: &'static str,
    pub message: String,
    pub help: String,
}

impl WiringError {
    fn new(code: &'static str, error: &dyn std::error::Error, help: &str) -> Self {
        Self { code, message: crate::causes::chain(error), help: help.to_owned() }
    }
}

/// Configuration, environment and wiring of one run.
#[derive(Debug)]
pub struct App {
    pub config: Config,
    /// Where the configuration was read; `None` without one.
    pub config_path: Option<PathBuf>,
    pub environment: Environment,
    wiring: Wiring,
    /// Shared by every registry client of this run.
    pub stop: StopSignal,
    /// Likewise, so that what a registry wants to tell is told once.
    warnings: Warnings,
    material: tokio::sync::OnceCell<TrustMaterial>,
    /// Who logs in where no machine identity is found.
    person: Arc<dyn Person>,
}

impl App {
    /// Reads the configuration and the environment.
    pub fn new(wiring: Wiring, person: Arc<dyn Person>) -> Result<Self, WiringError> {
        let (config, config_path) = load_config(wiring.config.as_deref())?;
        Ok(Self {
            config,
            config_path,
            environment: Environment::read(),
            wiring,
            stop: StopSignal::default(),
            warnings: Warnings::default(),
            material: tokio::sync::OnceCell::new(),
            person,
        })
    }

    /// The clock of the whole run.
    #[must_use]
    pub fn clock() -> Clock {
        Arc::new(now)
    }

    /// Layers that were read before; none where their folder cannot be used, which costs time and nothing else.
    #[must_use]
    pub fn layer_cache(&self) -> Option<Arc<LayerCache>> {
        let folder = self.environment.cache.as_ref()?.join("layers");
        let key = self.environment.state.as_ref()?.join("layers.key");
        match LayerCache::open(&folder, &key, &this_program()) {
            Ok(cache) => Some(Arc::new(cache)),
            Err(error) => {
                tracing::info!(folder = %folder.display(), %error, "layers are not cached");
                None
            }
        }
    }

    pub fn registry(&self) -> Result<Arc<dyn Registry>, WiringError> {
        let setup =
            |e: &dyn std::error::Error| WiringError::new("registry", e, "check registries in the configuration");
        let registry = HttpRegistry::new(self.http_options()?).map_err(|e| setup(&e))?;
        Ok(Arc::new(registry))
    }

    fn http_options(&self) -> Result<HttpOptions, WiringError> {
        let mut options = HttpOptions {
            credentials: CredentialOptions {
                explicit: self.wiring.registry_token.clone().map(|(registry, token)| ExplicitToken { registry, token }),
                docker_config: self.environment.docker_config.clone(),
                github_token: self.environment.github_token.clone(),
            },
            plain_http: [self.wiring.plain_http.clone(), self.config.tools.plain_http.clone()].concat(),
            stop: self.stop.clone(),
            warnings: self.warnings.clone(),
            ..HttpOptions::default()
        };
        if let Some(timeout) = self.wiring.timeout {
            options.deadline = timeout;
            options.request_timeout = options.request_timeout.min(timeout);
        }
        for (host, registry) in &self.config.registries {
            if let Some(realm) = registry.realm.as_deref().and_then(|realm| url::Url::parse(realm).ok()) {
                options.realms.insert(host.clone(), realm);
            }
            if let Some(ca) = &registry.ca {
                options.extra_ca.insert(host.clone(), read_file(ca, "registry")?);
            }
        }
        Ok(options)
    }

    /// Whom to believe: the file that is named, or the instance's material, refreshed where the network may be asked.
    pub async fn trust_root(&self) -> Result<TrustRoot, WiringError> {
        self.trust_root_by(Network::Allowed).await
    }

    /// As [`Self::trust_root`], without asking the network.
    pub async fn stored_trust_root(&self) -> Result<TrustRoot, WiringError> {
        self.trust_root_by(Network::Forbidden).await
    }

    async fn trust_root_by(&self, network: Network) -> Result<TrustRoot, WiringError> {
        let setup = |e: &dyn std::error::Error| {
            WiringError::new("trust-root", e, "pass --trust-root FILE, or --sigstore public-good")
        };
        match self.trust_root_file() {
            Some(path) => load_trust_root(path).map_err(|e| setup(&e)),
            None => self.with_builders_instance(self.material(network).await?.trust_root.clone()),
        }
    }

    /// Repositories that are not public get their provenance from GitHub's own instance: what that issued counts as build
    /// provenance beside the public instance. Whoever names a file, or another instance, means that alone.
    fn with_builders_instance(&self, trust_root: TrustRoot) -> Result<TrustRoot, WiringError> {
        if self.instance()? != Instance::PublicGood {
            return Ok(trust_root);
        }
        let github = Instance::GitHub.trust_root();
        let github = github.map_err(|e| WiringError::new("trust-root", &e, "pass --trust-root FILE"))?;
        Ok(trust_root.with_builders_instance(&github))
    }

    /// What the named instance gives, loaded once per run; `None` where a file is named.
    pub async fn trust_origin(&self) -> Result<Option<Origin>, WiringError> {
        match self.trust_root_file() {
            Some(_) => Ok(None),
            None => Ok(Some(self.material(Network::Allowed).await?.origin.clone())),
        }
    }

    async fn material(&self, network: Network) -> Result<&TrustMaterial, WiringError> {
        let load = async {
            let cache = self.environment.cache.as_deref();
            trust_material(self.instance()?, cache, network, now())
                .await
                .map_err(|e| WiringError::new("trust-root", &e, "pass --trust-root FILE, or --sigstore public-good"))
        };
        self.material.get_or_try_init(|| load).await
    }

    fn trust_root_file(&self) -> Option<&PathBuf> {
        self.wiring.trust_root.as_ref().or(match self.wiring.sigstore {
            Some(_) => None,
            None => self.config.tools.trust_root.as_ref(),
        })
    }

    /// The trust root's file, or the named instance.
    #[must_use]
    pub fn trust_root_name(&self) -> String {
        let named = self.wiring.sigstore.as_ref().or(self.config.tools.sigstore.as_ref());
        let named = || named.map_or("public-good", String::as_str).to_owned();
        self.trust_root_file().map_or_else(named, |path| path.display().to_string())
    }

    fn instance(&self) -> Result<Instance, WiringError> {
        let name = self.wiring.sigstore.as_ref().or(self.config.tools.sigstore.as_ref());
        let name = name.map_or("public-good", String::as_str);
        name.parse::<Instance>()
            .map_err(|e| WiringError::new("sigstore", &e, "expected public-good, github or staging"))
    }

    /// GitHub's API for one repository on it. Unless an address is named, only github.com is asked, and only where
    /// `vouched` says that GitHub Actions issued the identities: elsewhere it knows nothing. `None`: nobody is asked.
    pub fn github(&self, repository: &GitHubRepository, vouched: bool) -> Result<Option<Arc<dyn GitHub>>, WiringError> {
        let named = self.wiring.github_api.as_ref().or(self.config.tools.github_api.as_ref());
        let known = self.environment.github_api.as_deref().unwrap_or(PUBLIC_API);
        let api = match named.map(String::as_str) {
            Some("off") => return Ok(None),
            Some(named) => named,
            None if vouched && repository.is_public() => known,
            None => return Ok(None),
        };
        let token = self.environment.gh_token.as_ref().or(self.environment.github_token.as_ref());
        let github = HttpGitHub::new(api, token, self.wiring.timeout)
            .map_err(|e| WiringError::new("github-api", &e, "pass --github-api https://api.github.com, or off"))?;
        Ok(Some(Arc::new(github)))
    }

    /// Would signatures go to a log that everybody can read?
    #[must_use]
    pub fn uses_public_instance(&self) -> bool {
        self.signing_config().is_none() && self.instance().is_ok_and(|instance| instance != Instance::GitHub)
    }

    /// A named instance replaces files that are named on a lower level: flag and environment over the configuration.
    fn signing_config(&self) -> Option<&PathBuf> {
        self.wiring.signing_config.as_ref().or(match self.wiring.sigstore {
            Some(_) => None,
            None => self.config.tools.signing_config.as_ref(),
        })
    }

    async fn services(&self) -> Result<Services, WiringError> {
        let setup = |e: &dyn std::error::Error| {
            WiringError::new("signing-config", e, "pass --signing-config FILE with --trust-root FILE")
        };
        let file = self.signing_config();
        let own_root = self.wiring.trust_root.is_some() || self.config.tools.trust_root.is_some();
        match file {
            Some(path) => Services::from_file(path).map_err(|e| setup(&e)),
            None if own_root && self.wiring.sigstore.is_none() => Err(WiringError {
                code: "signing-config",
                message: "--trust-root without --signing-config: where to sign is not known".to_owned(),
                help: "pass --signing-config FILE of the same Sigstore instance".to_owned(),
            }),
            None => self.material(Network::Allowed).await?.services.clone().ok_or_else(|| {
                let why = format!("instance {} has none", self.trust_root_name());
                setup(&SigstoreError::SigningConfig { why })
            }),
        }
    }

    /// A signer for one token that was handed over, whatever the configuration says.
    pub fn signer_for(
        services: Services,
        token: SecretString,
        trust_root: TrustRoot,
    ) -> Result<KeylessSigner, SigstoreError> {
        KeylessSigner::new(services, TokenSource::Value(token), trust_root, Self::clock())
    }

    pub async fn signer(&self, trust_root: TrustRoot) -> Result<KeylessSigner, WiringError> {
        let services = self.services().await?;
        let tokens = self.token_source(&services)?;
        let signer = KeylessSigner::new(services, tokens, trust_root, Self::clock())
            .map_err(|e| WiringError::new("sigstore", &e, "countersign doctor"))?;
        Ok(match self.wiring.timeout {
            Some(timeout) => signer.with_deadline(timeout),
            None => signer,
        })
    }

    /// File, `SIGSTORE_ID_TOKEN`, the CI's ambient identity, a projected token, and for people at a terminal a browser.
    fn token_source(&self, services: &Services) -> Result<TokenSource, WiringError> {
        let file = self.wiring.identity_token_file.as_ref().or(self.config.tools.identity_token_file.as_ref());
        if let Some(path) = file {
            return Ok(TokenSource::File(path.clone()));
        }
        if let Some(token) = &self.environment.sigstore_id_token {
            return Ok(TokenSource::Value(token.clone()));
        }
        if let Some((url, token)) = &self.environment.actions_token {
            let request_url = url::Url::parse(url)
                .map_err(|e| WiringError::new("identity-token", &e, "ACTIONS_ID_TOKEN_REQUEST_URL is no URL"))?;
            return Ok(TokenSource::GitHub { request_url, request_token: token.clone() });
        }
        if let Some(path) = &self.environment.projected_token {
            return Ok(TokenSource::File(path.clone()));
        }
        match services.oidc_url() {
            Some(issuer) if self.environment.interactive => {
                Ok(TokenSource::Browser(Browser::new(issuer, Arc::clone(&self.person))))
            }
            _ => Ok(TokenSource::None),
        }
    }

    /// Trivy, located but not yet checked or run.
    pub fn scanner(&self) -> Result<Trivy, WiringError> {
        let path = self.wiring.trivy.as_ref().or(self.config.tools.trivy.as_ref());
        let cache = self.wiring.trivy_db.as_ref().or(self.config.tools.trivy_db.as_ref());
        let own_cache = || self.environment.cache.as_ref().map(|cache| cache.join("trivy"));
        let cache = cache.cloned().or_else(own_cache).ok_or_else(|| WiringError {
            code: "trivy-db",
            message: "no vulnerability database: neither --trivy-db nor a home folder".to_owned(),
            help: "pass --trivy-db DIR".to_owned(),
        })?;
        // The scanner runs in a folder of its own: a relative path would mean another place there.
        let cache = std::path::absolute(&cache)
            .map_err(|e| WiringError::new("trivy-db", &e, "pass --trivy-db with an absolute path"))?;
        let launcher = std::env::current_exe()
            .map_err(|e| WiringError::new("scanner", &e, "cannot tell where this program is"))?;
        let accepted = self.config.tools.trivy_digests.iter();
        let options = TrivyOptions {
            launcher,
            cache,
            accepted: accepted
                .map(|digest| AcceptedBinary { version: "configured".to_owned(), digest: digest.clone() })
                .collect(),
            required: DEFAULT_REQUIRED,
            timeout: DEFAULT_TIMEOUT,
            now,
        };
        Trivy::locate(path.map(PathBuf::as_path), &self.environment.path, options)
            .map_err(|e| WiringError::new("scanner", &e, e.help()))
    }

    /// Built-in rules, with the user's where given.
    pub fn policy(&self) -> Result<PolicySet, WiringError> {
        let Some(path) = self.wiring.policy.as_ref().or(self.config.tools.policy_path.as_ref()) else {
            return Ok(PolicySet::builtin());
        };
        let files = rego_files(path)?;
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        PolicySet::with_user(&files).map_err(|e| WiringError::new("policy", &e, "check the files given by --policy"))
    }

    /// Makes clients with empty caches.
    #[must_use]
    pub fn fresh(self: &Arc<Self>) -> Arc<dyn FreshRegistry> {
        Arc::new(Fresh(Arc::clone(self)))
    }
}

#[derive(Debug)]
struct Fresh(Arc<App>);

impl FreshRegistry for Fresh {
    fn fresh(&self) -> Result<Arc<dyn Registry>, Stop> {
        self.0.registry().map_err(|e| Stop::Setup { code: e.code, message: e.message, help: e.help })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one clock of the program")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn load_config(path: Option<&Path>) -> Result<(Config, Option<PathBuf>), WiringError> {
    let found = match path {
        Some(path) => Some(path.to_owned()),
        None => DEFAULT_PATHS.iter().map(PathBuf::from).find(|path| path.is_file()),
    };
    let Some(path) = found else { return Ok((Config::default(), None)) };
    let size = std::fs::metadata(&path).map(|m| m.len()).unwrap_or(0);
    if size > MAX_CONFIG_BYTES {
        let message = format!("{}: {size} bytes, at most {MAX_CONFIG_BYTES} are read", path.display());
        return Err(WiringError { code: "config", message, help: String::new() });
    }
    let text = String::from_utf8(read_file(&path, "config")?)
        .map_err(|e| WiringError::new("config", &e, "the configuration is UTF-8 text"))?;
    let config = Config::parse(&path.display().to_string(), &text)
        .map_err(|e| WiringError::new("config", &e, "docs/reference/configuration.md lists every key"))?;
    Ok((config, Some(path)))
}

fn read_file(path: &Path, code: &'static str) -> Result<Vec<u8>, WiringError> {
    std::fs::read(path).map_err(|e| WiringError {
        code,
        message: format!("cannot read {}: {e}", path.display()),
        help: "check the path".to_owned(),
    })
}

/// `*.rego` of a folder (not below it), or the one file.
fn rego_files(path: &Path) -> Result<Vec<(String, String)>, WiringError> {
    let unreadable = |e: std::io::Error| WiringError {
        code: "policy",
        message: format!("cannot read {}: {e}", path.display()),
        help: "--policy takes a Rego file or a folder with *.rego".to_owned(),
    };
    let mut paths = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|e| e == "rego") {
                paths.push(path);
            }
        }
        paths.sort();
    } else {
        paths.push(path.to_owned());
    }
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(unreadable)?;
        Ok((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text))
    };
    paths.into_iter().map(read).collect()
}

/// Version, size and time of this executable: another build may find more in the same layer.
fn this_program() -> String {
    let metadata = std::env::current_exe().and_then(std::fs::metadata);
    let build = metadata.ok().map(|m| (m.len(), m.modified().ok()));
    format!("{} {build:?}", env!("CARGO_PKG_VERSION"))
}
