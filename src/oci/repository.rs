//! A repository: registry host with optional port, and a path. Both are always spelled out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::oci::NameError;

/// Longest repository name we accept, host included (clients in the field limit it to 255).
pub const MAX_REPOSITORY_LEN: usize = 255;

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// `host` or `host:port`, lower case.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The `<name>` of the distribution API, for example `colliery-io/brokkr-broker`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last path component, the image's short name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The registry's host without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        match self.registry.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or(v6),
            None => self.registry.split(':').next().unwrap_or(&self.registry),
        }
    }

    /// Is the registry on this machine (`localhost`, 127.0.0.0/8, `::1`)? Those are spoken to over plain HTTP.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl FromStr for Repository {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |why| NameError::Repository { text: text.chars().take(300).collect(), why };
        if text.len() > MAX_REPOSITORY_LEN {
            return Err(refuse("longer than 255 characters"));
        }
        let (registry, path) = text.split_once('/').ok_or_else(|| refuse("expected HOST/NAME; no host is implied"))?;
        if !is_registry_host(registry) {
            return Err(refuse("expected a registry host with a dot, a port, or localhost before the first slash"));
        }
        if !path.split('/').all(is_path_component) {
            return Err(refuse("path components are lower-case letters and digits, separated by . _ __ or -"));
        }
        Ok(Self { registry: registry.to_ascii_lowercase(), path: path.to_owned() })
    }
}

fn is_registry_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((v6, port)) if v6.parse::<std::net::Ipv6Addr>().is_ok() => {
                return port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            }
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let label = |l: &str| {
        !l.is_empty()
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.split('.').all(label)
        && port.is_none_or(is_port)
        && (port.is_some() || name.contains('.') || name.eq_ignore_ascii_case("localhost"))
}

fn is_port(port: &str) -> bool {
    port.parse::<u16>().is_ok_and(|p| p > 0) && port.bytes().all(|b| b.is_ascii_digit())
}

fn is_path_component(component: &str) -> bool {
    let bytes = component.as_bytes();
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !alphanumeric(*first) || !alphanumeric(*last) {
        return false;
    }
    let mut separator = String::new();
    for &b in bytes {
        if alphanumeric(b) {
            let good = matches!(separator.as_str(), "" | "." | "_" | "__") || separator.bytes().all(|s| s == b'-');
            if !good {
                return false;
            }
            separator.clear();
        } else if matches!(b, b'.' | b'_' | b'-') {
            separator.push(char::from(b));
        } else {
            return false;
        }
    }
    true
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl TryFrom<String> for Repository {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_needs_a_host_and_a_path() {
        for good in
            ["ghcr.io/a/b", "localhost/a", "127.0.0.1:5000/x/y-z", "r.example.com/a__b/c.d/e---f", "[::1]:5000/a"]
        {
            assert_eq!(good.parse::<Repository>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "debian",
            "library/debian",
            "ghcr.io/",
            "ghcr.io//a",
            "ghcr.io/A",
            "ghcr.io/a_-b",
            "ghcr.io/a/",
            "ghcr.io:0/a",
            "ghcr.io:99999/a",
            "-x.io/a",
            "ghcr.io/a:tag",
            "ghcr.io/.a",
            "user@ghcr.io/a",
            "[::1/a",
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_is_recognised_by_address_not_by_prefix() {
        let loopback = |t: &str| t.parse::<Repository>().unwrap().is_loopback();
        assert!(loopback("127.0.0.1:5000/a") && loopback("localhost:5000/a") && loopback("[::1]:5000/a"));
        assert!(
            !loopback("127.0.0.1.example.com/a") && !loopback("localhost.example.com/a") && !loopback("10.0.0.1:80/a")
        );
    }
}
