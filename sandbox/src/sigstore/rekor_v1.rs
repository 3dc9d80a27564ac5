//! Rekor v1: entries with a signed entry timestamp ("promise"), hex in the API, and ECDSA checkpoints whose origin has a tree
//! number. Kinds: `hashedrekord` 0.0.1 and `dsse` 0.0.1, as clients submit them; `intoto` 0.0.2 for bundles made in process.

use super::{
    checkpoint, clock,
    entry_v1::Proposal,
    faults::{Effect, Effects},
    key::EcKey,
    merkle::{self, Hash},
    server::error,
};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Trillian's tree id: in the checkpoint's origin, and first in each entry's UUID.
const TREE_ID: u64 = 0x0010_2030_4050_6070;

/// How the promise of an entry turns out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Promise {
    #[default]
    Good,
    None,
    /// Signed by a key that is not the log's.
    WrongKey,
    /// The log's own promise, for the entry before this one (CVE-2022-23649).
    OfAnother,
}

/// What the entry is logged as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KindV1 {
    /// `dsse` for envelopes, `hashedrekord` for message signatures.
    #[default]
    Fitting,
    /// `intoto` 0.0.2, for envelopes only.
    Intoto,
    /// `hashedrekord` 0.0.1, which no client makes for an envelope.
    HashedRekord,
}

/// What is wrong with an answer of the log; the default is nothing.
#[derive(Clone, Debug, Default)]
pub struct LogV1Options {
    pub kind: KindV1,
    pub promise: Promise,
    /// Leave the inclusion proof out.
    pub no_proof: bool,
    /// Turn one bit of the proof (of the root hash in a tree of one).
    pub wrong_proof: bool,
    /// Sign the checkpoint with a key that is not the log's, under the log's key hint.
    pub wrong_key: bool,
    /// Seconds by which the log's clock is off.
    pub clock_offset: i64,
}

#[derive(Debug)]
pub(super) struct RekorV1 {
    key: EcKey,
    wrong_key: EcKey,
    origin: String,
    tree: Mutex<Vec<Logged>>,
}

#[derive(Clone, Debug)]
struct Logged {
    kind: &'static str,
    version: &'static str,
    body: Vec<u8>,
    leaf: Hash,
    integrated: i64,
}

/// The log holds this entry already, under this UUID.
#[derive(Debug)]
pub(super) struct Duplicate(pub String);

impl RekorV1 {
    pub(super) fn generate(origin: &str) -> Self {
        Self { key: EcKey::generate(), wrong_key: EcKey::generate(), origin: origin.to_owned(), tree: Mutex::default() }
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn public_key(&self) -> Vec<u8> {
        self.key.spki()
    }

    /// SHA-256 of the public key.
    pub(super) fn id(&self) -> Hash {
        Sha256::digest(self.key.spki()).into()
    }

    /// Adds an entry; its index.
    pub(super) fn append(&self, entry: &Proposal, clock_offset: i64) -> Result<usize, Duplicate> {
        let body = entry.canonical_body();
        let leaf = merkle::leaf_hash(&body);
        let mut tree = self.lock();
        if tree.iter().any(|logged| logged.leaf == leaf) {
            return Err(Duplicate(uuid(&leaf)));
        }
        let integrated = clock::unix_seconds(clock::now_with_offset(clock_offset));
        let (kind, version) = entry.kind();
        tree.push(Logged { kind, version, body, leaf, integrated });
        Ok(tree.len() - 1)
    }

    /// The entry as bundles carry it: `TransparencyLogEntry` in protobuf-JSON.
    pub(super) fn bundle_entry(&self, index: usize, options: &LogV1Options) -> Value {
        let tree = self.lock();
        let logged = &tree[index];
        let b64 = |b: &[u8]| STANDARD.encode(b);
        let mut entry = json!({
            "logIndex": index.to_string(),
            "logId": {"keyId": b64(&self.id())},
            "kindVersion": {"kind": logged.kind, "version": logged.version},
            "integratedTime": logged.integrated.to_string(),
        });
        if let Some(promise) = self.promise(&tree, index, options.promise) {
            entry["inclusionPromise"] = json!({"signedEntryTimestamp": b64(&promise)});
        }
        if !options.no_proof {
            let proof = self.proof(&tree, index, options);
            entry["inclusionProof"] = json!({
                "logIndex": index.to_string(),
                "rootHash": b64(&proof.root),
                "treeSize": tree.len().to_string(),
                "hashes": proof.hashes.iter().map(|h| b64(h)).collect::<Vec<_>>(),
                "checkpoint": {"envelope": proof.checkpoint},
            });
        }
        entry["canonicalizedBody"] = b64(&logged.body).into();
        entry
    }

    /// The entry as the API answers it: a map of UUID to entry, with hex where bundles have base64.
    fn api_entry(&self, index: usize, options: &LogV1Options) -> Value {
        let tree = self.lock();
        let logged = &tree[index];
        let proof = self.proof(&tree, index, options);
        let promise = self.promise(&tree, index, options.promise).unwrap_or_default();
        json!({uuid(&logged.leaf): {
            "body": STANDARD.encode(&logged.body),
            "integratedTime": logged.integrated,
            "logID": hex::encode(self.id()),
            "logIndex": index,
            "verification": {
                "inclusionProof": {
                    "checkpoint": proof.checkpoint,
                    "hashes": proof.hashes.iter().map(hex::encode).collect::<Vec<_>>(),
                    "logIndex": index,
                    "rootHash": hex::encode(proof.root),
                    "treeSize": tree.len(),
                },
                "signedEntryTimestamp": STANDARD.encode(promise),
            },
        }})
    }

    /// Signs the canonical JSON of body, integrated time, log id and index.
    fn promise(&self, tree: &[Logged], index: usize, promise: Promise) -> Option<Vec<u8>> {
        let (key, index) = match promise {
            Promise::Good => (&self.key, index),
            Promise::None => return None,
            Promise::WrongKey => (&self.wrong_key, index),
            Promise::OfAnother => (&self.key, index.saturating_sub(1)),
        };
        let logged = &tree[index];
        let (body, id) = (STANDARD.encode(&logged.body), hex::encode(self.id()));
        let time = logged.integrated;
        let signed = format!(r#"{{"body":"{body}","integratedTime":{time},"logID":"{id}","logIndex":{index}}}"#);
        Some(key.sign(signed.as_bytes()))
    }

    fn proof(&self, tree: &[Logged], index: usize, options: &LogV1Options) -> Proof {
        let leaves: Vec<Hash> = tree.iter().map(|logged| logged.leaf).collect();
        let mut root = merkle::root(&leaves);
        let mut hashes = merkle::inclusion_path(index, &leaves);
        let checkpoint = self.checkpoint(leaves.len(), &root, options.wrong_key);
        if options.wrong_proof {
            hashes.first_mut().unwrap_or(&mut root)[0] ^= 1;
        }
        Proof { root, hashes, checkpoint }
    }

    fn checkpoint(&self, size: usize, root: &Hash, wrong_key: bool) -> String {
        let key = if wrong_key { &self.wrong_key } else { &self.key };
        let origin = format!("{} - {TREE_ID}", self.origin);
        let body = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root));
        let mut blob = checkpoint::key_hint(&self.id()).to_vec();
        blob.extend_from_slice(&key.sign(body.as_bytes()));
        format!("{body}\n\u{2014} {} {}\n", self.origin, STANDARD.encode(blob))
    }

    fn find(&self, wanted: &str) -> Option<usize> {
        self.lock().iter().position(|logged| uuid(&logged.leaf) == wanted || hex::encode(logged.leaf) == wanted)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Logged>> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Proof {
    root: Hash,
    hashes: Vec<Hash>,
    checkpoint: String,
}

/// Tree id and leaf hash in hex.
fn uuid(leaf: &Hash) -> String {
    format!("{TREE_ID:016x}{}", hex::encode(leaf))
}

pub(super) fn routes(rekor: Arc<RekorV1>) -> Router {
    Router::new()
        .route("/api/v1/log/entries", post(create_entry))
        .route("/api/v1/log/entries/{uuid}", get(entry))
        .route("/api/v1/log", get(log_info))
        .route("/api/v1/log/publicKey", get(public_key))
        .with_state(rekor)
}

async fn create_entry(
    State(rekor): State<Arc<RekorV1>>,
    effects: Option<axum::Extension<Effects>>,
    body: Bytes,
) -> Response {
    let effects = effects.map(|e| e.0).unwrap_or_default();
    let options = LogV1Options {
        promise: if effects.has(&Effect::WrongPromise) { Promise::WrongKey } else { Promise::Good },
        wrong_key: effects.has(&Effect::WrongKey),
        wrong_proof: effects.has(&Effect::WrongInclusionProof),
        clock_offset: effects.clock_offset(),
        ..LogV1Options::default()
    };
    let proposal = match Proposal::from_request(&body) {
        Ok(proposal) => proposal,
        Err(e) => return error(StatusCode::BAD_REQUEST, &format!("error processing entry: {e:#}")),
    };
    match rekor.append(&proposal, options.clock_offset) {
        Ok(index) => {
            let answer = rekor.api_entry(index, &options);
            // sigstore-go finds the entry in the answer by its ETag.
            let uuid = answer.as_object().and_then(|entries| entries.keys().next().cloned()).unwrap_or_default();
            let headers = [
                (header::CONTENT_TYPE, "application/json".to_owned()),
                (header::LOCATION, format!("/api/v1/log/entries/{uuid}")),
                (header::ETAG, uuid),
            ];
            (StatusCode::CREATED, headers, answer.to_string()).into_response()
        }
        Err(Duplicate(uuid)) => {
            let text = format!("an equivalent entry already exists in the transparency log with UUID {uuid}");
            let location = [(header::LOCATION, format!("/api/v1/log/entries/{uuid}"))];
            (location, error(StatusCode::CONFLICT, &text)).into_response()
        }
    }
}

async fn entry(State(rekor): State<Arc<RekorV1>>, Path(uuid): Path<String>) -> Response {
    match rekor.find(&uuid) {
        Some(index) => json_reply(&rekor.api_entry(index, &LogV1Options::default())),
        None => error(StatusCode::NOT_FOUND, "entry not found"),
    }
}

async fn log_info(State(rekor): State<Arc<RekorV1>>) -> Response {
    let tree = rekor.lock();
    let leaves: Vec<Hash> = tree.iter().map(|logged| logged.leaf).collect();
    let root = merkle::root(&leaves);
    json_reply(&json!({
        "rootHash": hex::encode(root),
        "signedTreeHead": rekor.checkpoint(leaves.len(), &root, false),
        "treeID": TREE_ID.to_string(),
        "treeSize": leaves.len(),
    }))
}

async fn public_key(State(rekor): State<Arc<RekorV1>>) -> Response {
    let pem = der::pem::encode_string("PUBLIC KEY", der::pem::LineEnding::LF, &rekor.public_key());
    match pem {
        Ok(pem) => ([(header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response(),
        Err(e) => error(StatusCode::INTERNAL_SERVER_ERROR, &e.to_string()),
    }
}

fn json_reply(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
