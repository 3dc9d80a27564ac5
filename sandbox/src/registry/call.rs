//! One request with everything that its route may need, and the way to the route.

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::faults::Faults;
use super::path::Route;
use super::query::Query;
use super::reply::Reply;
use super::store::Store;
use super::switches::Switch;
use super::{blobs, lists, manifests, referrers, uploads};

pub(super) struct Call<'a> {
    pub(super) store: &'a mut Store,
    pub(super) faults: &'a Faults,
    /// `http://127.0.0.1:PORT`
    pub(super) origin: &'a str,
    pub(super) method: &'a Method,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
    /// Whether the credential may also read from this other repository.
    pub(super) may_pull: &'a dyn Fn(&str) -> bool,
}

impl Call<'_> {
    /// Answers the request from the store.
    pub(super) fn answer(mut self, route: &Route) -> Reply {
        if self.method == Method::DELETE && self.faults.is_on(|s| matches!(s, Switch::NoDelete)) {
            return Reply::error(405, "UNSUPPORTED", "the operation is unsupported");
        }
        let reply = match route {
            Route::Ping => Reply::json(200, &serde_json::json!({})),
            Route::Catalog => lists::catalog(&self),
            Route::Manifest { repository, reference } => manifests::manifest(&mut self, repository, reference),
            Route::Blob { repository, digest } => blobs::blob(&mut self, repository, digest),
            Route::Uploads { repository } => uploads::start(&mut self, repository),
            Route::Upload { repository, session } => uploads::resume(&mut self, repository, session),
            Route::Tags { repository } => lists::tags(&self, repository),
            Route::Referrers { repository, digest } => referrers::referrers(&self, repository, digest),
            Route::Invalid(code) => Reply::error(400, code, "the request does not match the grammar"),
            Route::Token | Route::Unknown => Reply::text(404, "404 page not found\n"),
        };
        self.finish(reply)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// A `Location` for a path of ours, absolute unless switched.
    pub(super) fn location(&self, path: &str) -> String {
        if self.faults.is_on(|s| matches!(s, Switch::RelativeLocation)) {
            path.to_owned()
        } else {
            format!("{}{path}", self.origin)
        }
    }

    fn finish(&self, reply: Reply) -> Reply {
        let reply = reply.header("docker-distribution-api-version", "registry/2.0");
        let reply = match self.faults.switch(|s| match s {
            Switch::Warning(text) => Some(text.clone()),
            _ => None,
        }) {
            Some(text) => reply.header("warning", format!("299 - \"{text}\"")),
            None => reply,
        };
        if self.faults.is_on(|s| matches!(s, Switch::NoDigestHeader)) {
            reply.without("docker-content-digest")
        } else {
            reply
        }
    }
}

pub(super) fn unsupported_method() -> Reply {
    Reply::error(405, "UNSUPPORTED", "the operation is unsupported")
}
