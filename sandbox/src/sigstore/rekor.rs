//! Rekor v2: an append-only tree of canonical entries with Ed25519 checkpoints. With a publication interval, entries
//! wait for the next tick and those of one tick share a checkpoint, as in the real, tile-backed log.

use super::{
    checkpoint,
    entry::Entry,
    faults::{Effect, Effects},
    merkle::{self, Hash},
    server::error,
    tiles,
    trust_root::Which,
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{SigningKey, VerifyingKey, pkcs8::EncodePublicKey as _};
use rand_core::OsRng;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Rekor {
    key: SigningKey,
    wrong_key: SigningKey,
    origin: String,
    interval: Duration,
    started: Instant,
    tree: Mutex<Tree>,
}

#[derive(Debug, Default)]
struct Tree {
    leaves: Vec<Hash>,
    bodies: Vec<Vec<u8>>,
    known: HashMap<Hash, usize>,
    published: usize,
}

/// What is wrong with an answer of the log; the default is nothing.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    pub which: Which,
    /// Sign the checkpoint with a key that is not the log's, under the log's key hint.
    pub wrong_key: bool,
    /// Turn one bit of the proof (of the root hash in a tree of one).
    pub wrong_proof: bool,
    /// Name another log in the checkpoint, and sign that with the right key.
    pub origin: Option<String>,
    /// Log what this makes of the body instead; in process only.
    pub body: Option<fn(&str) -> String>,
}

/// Why an entry was not added.
#[derive(Debug)]
pub(super) enum Refusal {
    Invalid(anyhow::Error),
    Duplicate(usize),
}

impl Rekor {
    pub(super) fn generate(origin: &str, interval: Duration) -> Self {
        Self {
            key: SigningKey::generate(&mut OsRng),
            wrong_key: SigningKey::generate(&mut OsRng),
            origin: origin.to_owned(),
            interval,
            started: Instant::now(),
            tree: Mutex::default(),
        }
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// SPKI DER.
    pub(super) fn public_key(&self) -> Vec<u8> {
        self.key.verifying_key().to_public_key_der().expect("an Ed25519 public key always encodes").into_vec()
    }

    pub(super) fn id(&self) -> Hash {
        checkpoint::key_id(&self.origin, &self.verifying_key())
    }

    fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// Check and add an entry, wait for publication, and answer its `TransparencyLogEntry` as protobuf-JSON.
    pub(super) async fn submit(&self, entry: &Entry, options: &LogOptions) -> Result<Value, Refusal> {
        entry.verify().map_err(Refusal::Invalid)?;
        let index = self.append(entry.canonical_body())?;
        if !self.interval.is_zero() {
            let since = self.started.elapsed().as_nanos() / self.interval.as_nanos();
            let ticks = u32::try_from(since + 1).unwrap_or(u32::MAX);
            tokio::time::sleep_until(self.started + self.interval * ticks).await;
        }
        Ok(self.published_entry(index, options))
    }

    /// Add an entry without checking its signature and without waiting: for bundles made in process.
    pub(super) fn append_unchecked(&self, entry: &Entry, options: &LogOptions) -> Result<Value, Refusal> {
        let mut body = entry.canonical_body();
        if let Some(change) = options.body {
            body = change(&String::from_utf8_lossy(&body)).into_bytes();
        }
        let index = self.append(body)?;
        Ok(self.published_entry(index, options))
    }

    /// The newest signed checkpoint.
    pub(super) fn checkpoint(&self) -> String {
        let tree = self.lock();
        self.sign(&tree.leaves[..tree.published], &LogOptions::default())
    }

    /// How many entries are published.
    pub(super) fn size(&self) -> usize {
        self.lock().published
    }

    /// The published leaf hashes and bodies.
    pub(super) fn contents(&self) -> (Vec<Hash>, Vec<Vec<u8>>) {
        let tree = self.lock();
        (tree.leaves[..tree.published].to_vec(), tree.bodies[..tree.published].to_vec())
    }

    fn append(&self, body: Vec<u8>) -> Result<usize, Refusal> {
        let leaf = merkle::leaf_hash(&body);
        let mut tree = self.lock();
        if let Some(index) = tree.known.get(&leaf) {
            return Err(Refusal::Duplicate(*index));
        }
        let index = tree.leaves.len();
        tree.leaves.push(leaf);
        tree.bodies.push(body);
        tree.known.insert(leaf, index);
        Ok(index)
    }

    /// The first to ask after a tick publishes everything that is there.
    fn published_entry(&self, index: usize, options: &LogOptions) -> Value {
        let mut tree = self.lock();
        if tree.published <= index {
            tree.published = tree.leaves.len();
        }
        let leaves = &tree.leaves[..tree.published];
        let mut hashes = merkle::inclusion_path(index, leaves);
        let mut root = merkle::root(leaves);
        let envelope = self.sign(leaves, options);
        if options.wrong_proof {
            hashes.first_mut().unwrap_or(&mut root)[0] ^= 1;
        }
        let b64 = |b: &[u8]| STANDARD.encode(b);
        json!({
            "logIndex": index.to_string(),
            "logId": {"keyId": b64(&self.id())},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "integratedTime": "0",
            "inclusionPromise": null,
            "inclusionProof": {
                "logIndex": index.to_string(),
                "rootHash": b64(&root),
                "treeSize": leaves.len().to_string(),
                "hashes": hashes.iter().map(|h| b64(h)).collect::<Vec<_>>(),
                "checkpoint": {"envelope": envelope},
            },
            "canonicalizedBody": b64(&tree.bodies[index]),
        })
    }

    fn sign(&self, leaves: &[Hash], options: &LogOptions) -> String {
        let origin = options.origin.as_deref().unwrap_or(&self.origin);
        let key = if options.wrong_key { &self.wrong_key } else { &self.key };
        let hint = checkpoint::key_hint(&self.id());
        checkpoint::sign(origin, leaves.len() as u64, &merkle::root(leaves), hint, key)
    }

    fn lock(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn routes(rekor: Arc<Rekor>) -> Router {
    Router::new()
        .route("/api/v2/log/entries", post(create_entry))
        .route("/api/v2/checkpoint", get(async |State(r): State<Arc<Rekor>>| r.checkpoint()))
        .route("/api/v2/tile/{*path}", get(tiles::tile))
        .route("/healthz", get(async || "{\"status\":\"SERVING\"}"))
        .with_state(rekor)
}

async fn create_entry(
    State(rekor): State<Arc<Rekor>>,
    effects: Option<axum::Extension<Effects>>,
    body: Bytes,
) -> Response {
    let effects = effects.map(|e| e.0).unwrap_or_default();
    let options = LogOptions {
        which: Which::First,
        wrong_key: effects.has(&Effect::WrongKey),
        wrong_proof: effects.has(&Effect::WrongInclusionProof),
        origin: effects.has(&Effect::WrongOrigin).then(|| "other.sandbox".to_owned()),
        body: None,
    };
    let entry = match Entry::from_request(&body) {
        Ok(entry) => entry,
        Err(e) => return error(StatusCode::BAD_REQUEST, &format!("invalid request: {e:#}")),
    };
    match rekor.submit(&entry, &options).await {
        Ok(value) => {
            (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
        }
        Err(Refusal::Invalid(e)) => error(StatusCode::BAD_REQUEST, &format!("invalid hashedrekord request: {e:#}")),
        Err(Refusal::Duplicate(index)) => error(
            StatusCode::CONFLICT,
            &format!("an equivalent entry already exists in the transparency log with index {index}"),
        ),
    }
}
