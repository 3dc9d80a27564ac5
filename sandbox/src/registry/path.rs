//! From a request path to what it addresses. Repository names contain slashes, so the path is read from its end.

use super::digest::is_digest;

/// What a request path of the distribution protocol addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// `/token`
    Token,
    Manifest {
        repository: String,
        reference: Reference,
    },
    Blob {
        repository: String,
        digest: String,
    },
    /// `/v2/NAME/blobs/uploads/`: start an upload.
    Uploads {
        repository: String,
    },
    /// `/v2/NAME/blobs/uploads/SESSION`
    Upload {
        repository: String,
        session: String,
    },
    Tags {
        repository: String,
    },
    Referrers {
        repository: String,
        digest: String,
    },
    /// The name, tag or digest is not allowed by the specification; the text is the error code.
    Invalid(&'static str),
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    Tag(String),
    Digest(String),
}

impl Route {
    pub(super) fn parse(path: &str) -> Self {
        match path {
            "/v2/" | "/v2" => return Self::Ping,
            "/v2/_catalog" => return Self::Catalog,
            "/token" => return Self::Token,
            _ => {}
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return Self::Unknown };
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return named(name, |repository| Self::Tags { repository });
        }
        if let Some(name) = rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads")) {
            return named(name, |repository| Self::Uploads { repository });
        }
        let Some((head, last)) = rest.rsplit_once('/') else { return Self::Unknown };
        let last = last.replace("%3A", ":").replace("%3a", ":");
        if let Some(name) = head.strip_suffix("/blobs/uploads") {
            return named(name, |repository| Self::Upload { repository, session: last });
        }
        if let Some(name) = head.strip_suffix("/blobs") {
            return digested(name, last, |repository, digest| Self::Blob { repository, digest });
        }
        if let Some(name) = head.strip_suffix("/referrers") {
            return digested(name, last, |repository, digest| Self::Referrers { repository, digest });
        }
        if let Some(name) = head.strip_suffix("/manifests") {
            return match Reference::parse(&last) {
                Some(reference) => named(name, |repository| Self::Manifest { repository, reference }),
                None if last.contains(':') => Self::Invalid("DIGEST_INVALID"),
                None => Self::Invalid("TAG_INVALID"),
            };
        }
        Self::Unknown
    }

    /// The repository of the request, where it has one.
    pub(super) fn repository(&self) -> Option<&str> {
        match self {
            Self::Manifest { repository, .. }
            | Self::Blob { repository, .. }
            | Self::Uploads { repository }
            | Self::Upload { repository, .. }
            | Self::Tags { repository }
            | Self::Referrers { repository, .. } => Some(repository),
            Self::Ping | Self::Catalog | Self::Token | Self::Invalid(_) | Self::Unknown => None,
        }
    }
}

impl Reference {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if is_digest(text) {
            Some(Self::Digest(text.to_owned()))
        } else if is_tag(text) {
            Some(Self::Tag(text.to_owned()))
        } else {
            None
        }
    }
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
pub(super) fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = text.as_bytes();
    (1..=128).contains(&bytes.len()) && word(bytes[0]) && bytes.iter().all(|&b| word(b) || b == b'.' || b == b'-')
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/…)*`
fn is_repository(text: &str) -> bool {
    let component = |part: &str| {
        let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = part.as_bytes();
        let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
        let separators: Vec<&str> = part.split(|c: char| c.is_ascii() && alphanumeric(c as u8)).collect();
        alphanumeric(first)
            && alphanumeric(last)
            && separators.iter().all(|s| matches!(*s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
    };
    text.len() <= 255 && text.split('/').all(component)
}

fn named(name: &str, route: impl FnOnce(String) -> Route) -> Route {
    if is_repository(name) { route(name.to_owned()) } else { Route::Invalid("NAME_INVALID") }
}

fn digested(name: &str, digest: String, route: impl FnOnce(String, String) -> Route) -> Route {
    if !is_digest(&digest) {
        return Route::Invalid("DIGEST_INVALID");
    }
    named(name, |repository| route(repository, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_name_may_contain_slashes_and_protocol_words() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(Route::parse("/v2/a/b/c/tags/list"), Route::Tags { repository: "a/b/c".into() });
        assert_eq!(
            Route::parse(&format!("/v2/org/blobs/blobs/{digest}")),
            Route::Blob { repository: "org/blobs".into(), digest: digest.clone() }
        );
        assert_eq!(
            Route::parse("/v2/app/manifests/v1.2.3"),
            Route::Manifest { repository: "app".into(), reference: Reference::Tag("v1.2.3".into()) }
        );
        assert_eq!(Route::parse("/v2/app/blobs/uploads/"), Route::Uploads { repository: "app".into() });
        assert_eq!(
            Route::parse("/v2/app/blobs/uploads/42"),
            Route::Upload { repository: "app".into(), session: "42".into() }
        );
    }

    #[test]
    fn names_tags_and_digests_outside_the_grammar_are_invalid() {
        assert_eq!(Route::parse("/v2/App/manifests/v1"), Route::Invalid("NAME_INVALID"));
        assert_eq!(Route::parse("/v2/a..b/manifests/v1"), Route::Invalid("NAME_INVALID"));
        assert_eq!(Route::parse("/v2/app/manifests/-v1"), Route::Invalid("TAG_INVALID"));
        assert_eq!(Route::parse("/v2/app/manifests/sha256:abc"), Route::Invalid("DIGEST_INVALID"));
        assert_eq!(Route::parse("/elsewhere"), Route::Unknown);
    }
}
