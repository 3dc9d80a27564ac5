//! What arrived, for tests that count requests or ask where an identity token went.

use super::faults::Service;
use std::sync::{Mutex, PoisonError};

/// One request, logged when it was answered (or dropped).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub service: Service,
    /// Counted per service from 1, the number that faults name.
    pub number: u64,
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Whether it had an `Authorization` header.
    pub authorization: bool,
    /// Whether its body held an OIDC token.
    pub identity_token: bool,
    /// `None` when the connection was closed without an answer.
    pub status: Option<u16>,
}

#[derive(Debug, Default)]
pub struct RequestLog(Mutex<Vec<Request>>);

impl RequestLog {
    /// Everything so far, in the order of the answers.
    pub fn all(&self) -> Vec<Request> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests of one service.
    pub fn of(&self, service: Service) -> Vec<Request> {
        self.all().into_iter().filter(|r| r.service == service).collect()
    }

    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn push(&self, request: Request) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }
}
