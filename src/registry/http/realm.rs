//! Which token service may see a registry's credentials (I11).
//!
//! A registry names its token service itself (`realm`), so a hostile or hijacked one could name any host and be sent
//! the credential. Only three are believed: the registry's own origin, the origin that the configuration names for this
//! registry, and a few public pairs everybody knows. All others are refused, also without a credential: an anonymous
//! token from an unknown host would be presented to the registry as ours.

use url::Url;

use crate::registry::http::endpoint::{Endpoint, is_docker_hub, is_loopback};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RealmError {
    #[error("the registry's token service {realm:?} is no address")]
    Address { realm: String },
    #[error("the registry's token service {origin} is not encrypted")]
    Plain { origin: String },
    #[error(
        "the registry sends its clients to the token service {origin}, which is another host; if it is right, set registries.{registry}.realm: {origin}"
    )]
    Foreign { origin: String, registry: String },
}

/// The realm as an address, if credentials for this registry may go there.
pub(super) fn allowed_realm(endpoint: &Endpoint, realm: &str, configured: Option<&Url>) -> Result<Url, RealmError> {
    let shown = || realm.chars().take(200).collect::<String>();
    let url = Url::parse(realm).map_err(|_| RealmError::Address { realm: shown() })?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(RealmError::Address { realm: shown() });
    }
    if endpoint.owns(&url) {
        return Ok(url);
    }
    let origin = url.origin().ascii_serialization();
    if url.scheme() != "https" && !is_loopback(&url) {
        return Err(RealmError::Plain { origin });
    }
    let named = configured.is_some_and(|configured| configured.origin() == url.origin());
    if named || is_well_known(&endpoint.registry, &origin) {
        return Ok(url);
    }
    Err(RealmError::Foreign { origin, registry: endpoint.registry.clone() })
}

/// Public registries whose token service has another name than they have.
fn is_well_known(registry: &str, origin: &str) -> bool {
    (is_docker_hub(registry) && origin == "https://auth.docker.io")
        || (registry == "registry.gitlab.com" && origin == "https://gitlab.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(repository: &str, realm: &str, configured: Option<&str>) -> Result<Url, RealmError> {
        let endpoint = Endpoint::of(&repository.parse().unwrap(), &[]).unwrap();
        allowed_realm(&endpoint, realm, configured.map(|url| url.parse().unwrap()).as_ref())
    }

    #[test]
    fn i11_only_the_registrys_own_origin_or_a_named_one_may_ask_for_credentials() {
        assert!(allowed("ghcr.io/a", "https://ghcr.io/token", None).is_ok());
        assert!(allowed("127.0.0.1:5000/a", "http://127.0.0.1:5000/token", None).is_ok());
        assert!(allowed("docker.io/a", "https://auth.docker.io/token", None).is_ok());
        let configured = Some("https://auth.example.com");
        assert!(allowed("r.example.com/a", "https://auth.example.com/t", configured).is_ok());
        for (repository, realm, configured) in [
            ("ghcr.io/a", "https://evil.example.com/token", None),
            ("ghcr.io/a", "https://ghcr.io:8443/token", None),
            ("ghcr.io/a", "https://auth.docker.io/token", None),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5001/token", None),
            ("r.example.com/a", "https://auth.example.com.evil.net/t", configured),
        ] {
            assert!(matches!(allowed(repository, realm, configured), Err(RealmError::Foreign { .. })), "{realm}");
        }
        assert!(matches!(allowed("ghcr.io/a", "http://ghcr.io/token", None), Err(RealmError::Plain { .. })));
        assert!(matches!(allowed("ghcr.io/a", "token", None), Err(RealmError::Address { .. })));
        assert!(matches!(allowed("ghcr.io/a", "https://u:p@ghcr.io/", None), Err(RealmError::Address { .. })));
    }

    #[test]
    fn the_refusal_names_the_key_to_set() {
        let error = allowed("r.example.com/a", "https://auth.example.net/t", None).unwrap_err();
        assert!(error.to_string().contains("registries.r.example.com.realm: https://auth.example.net"));
    }
}
