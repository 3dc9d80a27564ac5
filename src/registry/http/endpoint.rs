//! Where a registry is reached: scheme, host and port for a repository's host name.

use url::{Host, Url};

use crate::oci::Repository;
use crate::registry::{ErrorKind, RegistryError};

/// One registry. `base` is its origin: credentials go nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// As in the repository's name, the key of everything configured per registry.
    pub(super) registry: String,
    pub(super) base: Url,
}

impl Endpoint {
    /// Plain HTTP for loopback and for registries listed in `plain_http`, HTTPS for all others.
    pub(super) fn of(repository: &Repository, plain_http: &[String]) -> Result<Self, RegistryError> {
        let registry = repository.registry();
        let plain = repository.is_loopback() || plain_http.iter().any(|host| host.eq_ignore_ascii_case(registry));
        let scheme = if plain { "http" } else { "https" };
        // Docker Hub's name in references is not the name of its API.
        let host = if is_docker_hub(registry) { "registry-1.docker.io" } else { registry };
        let base = Url::parse(&format!("{scheme}://{host}/")).map_err(|why| {
            RegistryError::new(ErrorKind::Refused, "reach registry", repository, format!("no address: {why}"))
        })?;
        Ok(Self { registry: registry.to_owned(), base })
    }

    /// `/v2/<name>/<tail>`; `tail` may have a query.
    pub(super) fn url(&self, repository: &Repository, tail: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = tail.split_once('?').map_or((tail, None), |(path, query)| (path, Some(query)));
        url.set_path(&format!("/v2/{}/{path}", repository.path()));
        url.set_query(query);
        url
    }

    /// Does this address belong to the registry itself: same scheme, host and port?
    pub(super) fn owns(&self, url: &Url) -> bool {
        self.base.origin() == url.origin()
    }
}

pub(super) fn is_docker_hub(registry: &str) -> bool {
    matches!(registry, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

/// Is the address on this machine? By address, never by prefix.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(repository: &str, plain: &[&str]) -> String {
        let plain: Vec<String> = plain.iter().map(|host| (*host).to_owned()).collect();
        Endpoint::of(&repository.parse().unwrap(), &plain).unwrap().base.to_string()
    }

    #[test]
    fn only_loopback_and_named_registries_are_spoken_to_without_tls() {
        assert_eq!(base("127.0.0.1:5000/a", &[]), "http://127.0.0.1:5000/");
        assert_eq!(base("localhost:5000/a", &[]), "http://localhost:5000/");
        assert_eq!(base("[::1]:5000/a", &[]), "http://[::1]:5000/");
        assert_eq!(base("127.0.0.1.example.com/a", &[]), "https://127.0.0.1.example.com/");
        assert_eq!(base("r.internal:5000/a", &["r.internal:5000"]), "http://r.internal:5000/");
        assert_eq!(base("r.internal:5001/a", &["r.internal:5000"]), "https://r.internal:5001/");
        assert_eq!(base("docker.io/library/debian", &[]), "https://registry-1.docker.io/");
    }

    #[test]
    fn another_port_or_scheme_is_another_origin() {
        let endpoint = Endpoint::of(&"r.example.com/a/b".parse().unwrap(), &[]).unwrap();
        let repository = "r.example.com/a/b".parse().unwrap();
        assert_eq!(endpoint.url(&repository, "tags/list?n=5").as_str(), "https://r.example.com/v2/a/b/tags/list?n=5");
        let owns = |url: &str| endpoint.owns(&url.parse().unwrap());
        assert!(owns("https://r.example.com:443/x") && !owns("https://r.example.com:444/x"));
        assert!(!owns("http://r.example.com/x") && !owns("https://r.example.com.evil.net/x"));
    }
}
