use std::collections::HashMap;

use serde_json::{Value, json};
use sigstore_crypto::KeyPair;
use sigstore_tuf::Key;
use sigstore_tuf::transport::FetchFuture;

use super::*;

const NOW: &str = "2026-11-21T10:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// A repository in memory, signed with one key.
#[derive(Clone, Default)]
struct Files {
    metadata: HashMap<String, Vec<u8>>,
    targets: HashMap<String, Vec<u8>>,
}

impl Repository for Files {
    fn fetch_metadata<'a>(&'a self, name: &'a str, _max_length: u64) -> FetchFuture<'a> {
        let found = self.metadata.get(name).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn fetch_target<'a>(&'a self, path: &'a str, _max_length: u64) -> FetchFuture<'a> {
        let found = self.targets.get(path).cloned();
        Box::pin(async move { Ok(found) })
    }
}

struct Signer {
    key: KeyPair,
    id: String,
    entry: Value,
}

impl Signer {
    fn new() -> Self {
        let key = KeyPair::generate_ecdsa_p256().unwrap();
        let public = key.public_key_der().unwrap().to_pem();
        let entry = json!({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": public}});
        let id = serde_json::from_value::<Key>(entry.clone()).unwrap().key_id().unwrap();
        Self { key, id, entry }
    }

    fn sign(&self, signed: &Value) -> Vec<u8> {
        let canonical = sigstore_tuf::canonical_json::to_canonical_bytes(signed).unwrap();
        let signature = hex::encode(self.key.sign(&canonical).unwrap().as_bytes());
        let document = json!({"signed": signed, "signatures": [{"keyid": self.id, "sig": signature}]});
        serde_json::to_vec(&document).unwrap()
    }
}

fn role(kind: &str, expires: &str, more: Value) -> Value {
    let mut signed = json!({"_type": kind, "spec_version": "1.0.0", "version": 1, "expires": expires});
    signed.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    signed
}

fn pinned(bytes: &[u8]) -> Value {
    json!({"length": bytes.len(), "hashes": {"sha256": sigstore_crypto::sha256(bytes).to_hex()}})
}

fn versioned(bytes: &[u8]) -> Value {
    let mut entry = pinned(bytes);
    entry["version"] = 1.into();
    entry
}

/// Files of a repository whose timestamp expires then, and its root.
fn repository(timestamp_expires: &str) -> (Files, Vec<u8>) {
    let signer = Signer::new();
    let trusted_root = Instance::PublicGood.known().embedded_trusted_root_json().as_bytes().to_vec();
    let far = "2027-06-01T00:00:00Z";
    let names = ["root", "timestamp", "snapshot", "targets"];
    let roles: serde_json::Map<String, Value> =
        names.iter().map(|n| ((*n).to_owned(), json!({"keyids": [signer.id], "threshold": 1}))).collect();
    let keys = json!({signer.id.clone(): signer.entry});
    let root = signer.sign(&role("root", far, json!({"consistent_snapshot": false, "keys": keys, "roles": roles})));
    let targets = role("targets", far, json!({"targets": {TRUSTED_ROOT_TARGET: pinned(&trusted_root)}}));
    let targets = signer.sign(&targets);
    let snapshot = signer.sign(&role("snapshot", far, json!({"meta": {"targets.json": versioned(&targets)}})));
    let timestamp =
        signer.sign(&role("timestamp", timestamp_expires, json!({"meta": {"snapshot.json": versioned(&snapshot)}})));
    let mut files = Files::default();
    for (name, bytes) in [("timestamp.json", timestamp), ("snapshot.json", snapshot), ("targets.json", targets)] {
        files.metadata.insert(name.to_owned(), bytes);
    }
    files.targets.insert(TRUSTED_ROOT_TARGET.to_owned(), trusted_root);
    (files, root)
}

#[tokio::test]
async fn what_was_fetched_once_is_verified_again_from_the_cache() {
    let (files, root) = repository("2026-11-25T00:00:00Z");
    let folder = tempfile::tempdir().unwrap();
    let loaded = load(files, &root, folder.path(), now()).await.unwrap();
    assert!(TrustRoot::from_json(&loaded.trusted_root).is_ok() && loaded.signing_config.is_none());
    assert_eq!(loaded.expires.unwrap().to_string(), "2027-06-01T00:00:00Z");

    let cache = || StoreRepository::new(FileStore::new(folder.path()));
    assert!(load(cache(), &root, folder.path(), now()).await.is_ok());
    let later = "2026-11-26T00:00:00Z".parse().unwrap();
    assert!(load(cache(), &root, folder.path(), later).await.is_err(), "an expired timestamp is not believed");

    let target = folder.path().join("targets").join(TRUSTED_ROOT_TARGET);
    std::fs::write(&target, b"{}").unwrap();
    assert!(load(cache(), &root, folder.path(), now()).await.is_err(), "a changed target is not believed");
}

#[tokio::test]
async fn material_of_another_signer_or_an_expired_timestamp_is_refused() {
    let (files, _) = repository("2026-11-25T00:00:00Z");
    let (_, other_root) = repository("2026-11-25T00:00:00Z");
    let folder = tempfile::tempdir().unwrap();
    assert!(load(files, &other_root, folder.path(), now()).await.is_err());
    let (expired, root) = repository("2026-11-20T00:00:00Z");
    let folder = tempfile::tempdir().unwrap();
    assert!(load(expired, &root, folder.path(), now()).await.is_err());
}

#[tokio::test]
async fn without_network_and_cache_the_snapshot_is_used_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for cache in [None, Some(folder.path())] {
        let found = trust_material(Instance::PublicGood, cache, Network::Forbidden, now()).await.unwrap();
        assert!(matches!(found.origin, Origin::Embedded { .. }), "{}", found.origin);
        assert!(found.services.is_some());
    }
    let github = trust_material(Instance::GitHub, None, Network::Forbidden, now()).await.unwrap();
    assert!(github.services.is_none(), "GitHub's instance signs for GitHub only");
}

#[test]
fn a_mark_from_the_future_is_not_fresh() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!is_fresh(folder.path()));
    let mark = std::fs::File::create(folder.path().join(MARK)).unwrap();
    assert!(is_fresh(folder.path()));
    mark.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    assert!(!is_fresh(folder.path()));
    mark.set_modified(SystemTime::now() - REFRESH_EVERY).unwrap();
    assert!(!is_fresh(folder.path()));
}
