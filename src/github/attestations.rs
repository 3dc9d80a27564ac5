//! The list of attestations and the bundles behind it, as bytes become values. Pure.
//!
//! An entry has its bundle inline, or, since July 2026, `null` and an address where it lies compressed as one Snappy block
//! (<https://github.com/google/snappy/blob/main/format_description.txt>).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::evidence::MAX_BUNDLE_BYTES;
use crate::github::Relation;

/// One entry of the list.
#[derive(Debug)]
pub(super) enum Entry {
    Bundle(Vec<u8>),
    Address(String),
    /// Neither.
    Empty,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    attestations: Vec<Attestation<'a>>,
}

#[derive(Deserialize)]
struct Attestation<'a> {
    #[serde(borrow, default)]
    bundle: Option<&'a RawValue>,
    #[serde(default)]
    bundle_url: Option<String>,
}

/// The entries of one page. The bundle that is in the answer wins over the address of another copy.
pub(super) fn entries(page: &[u8]) -> Result<Vec<Entry>, String> {
    let page: Page<'_> = serde_json::from_slice(page).map_err(|e| format!("no list of attestations: {e}"))?;
    let entry = |attestation: Attestation<'_>| match (attestation.bundle, attestation.bundle_url) {
        (Some(bundle), _) if bundle.get() != "null" => Entry::Bundle(bundle.get().as_bytes().to_vec()),
        (_, Some(address)) => Entry::Address(address),
        (_, None) => Entry::Empty,
    };
    Ok(page.attestations.into_iter().map(entry).collect())
}

/// What lies at a bundle's address: a Snappy block, or the JSON itself. A block that begins like JSON would hold 123 bytes,
/// which is no bundle.
pub(super) fn bundle(stored: Vec<u8>) -> Result<Vec<u8>, String> {
    if stored.first() == Some(&b'{') {
        return Ok(stored);
    }
    let refuse = |e: snap::Error| format!("neither JSON nor a Snappy block: {e}");
    let length = snap::raw::decompress_len(&stored).map_err(refuse)?;
    // Before anything is allocated: four bytes can promise four gigabytes.
    if u64::try_from(length).is_ok_and(|length| length > MAX_BUNDLE_BYTES) {
        return Err(format!("the bundle says it has {length} bytes, at most {MAX_BUNDLE_BYTES} are read"));
    }
    snap::raw::Decoder::new().decompress_vec(&stored).map_err(refuse)
}

/// `status` of a comparison.
pub(super) fn relation(answer: &[u8]) -> Result<Relation, String> {
    #[derive(Deserialize)]
    struct Comparison {
        status: String,
    }
    let comparison: Comparison = serde_json::from_slice(answer).map_err(|e| format!("no comparison: {e}"))?;
    match comparison.status.as_str() {
        "ahead" => Ok(Relation::Ahead),
        "identical" => Ok(Relation::Identical),
        "behind" => Ok(Relation::Behind),
        "diverged" => Ok(Relation::Diverged),
        other => Err(format!("unknown status {:?}", other.chars().take(40).collect::<String>())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bundle_is_taken_as_it_stands_and_null_means_its_address() {
        let page = br#"{"attestations": [{"bundle": {"a" : 1.0}}, {"bundle": null, "bundle_url": "https://x/y"},
            {"bundle_url": "https://x/z", "initiator": "user"}, {"bundle": null}]}"#;
        let found: Vec<String> = entries(page).unwrap().iter().map(|entry| format!("{entry:?}")).collect();
        assert!(matches!(&entries(page).unwrap()[0], Entry::Bundle(bytes) if bytes == br#"{"a" : 1.0}"#));
        assert_eq!(found[1..], [r#"Address("https://x/y")"#, r#"Address("https://x/z")"#, "Empty"]);
        for bad in [&b"{}"[..], b"[]", b"<html>", br#"{"attestations": 3}"#] {
            assert!(entries(bad).is_err());
        }
    }

    #[test]
    fn a_stored_bundle_is_json_or_a_snappy_block_and_bounded() {
        let json = br#"{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}"#.to_vec();
        let packed = snap::raw::Encoder::new().compress_vec(&json).unwrap();
        assert_eq!(bundle(packed.clone()).unwrap(), json);
        assert_eq!(bundle(json.clone()).unwrap(), json);
        assert!(bundle(packed[..packed.len() - 1].to_vec()).is_err());
        assert!(bundle(Vec::new()).is_err());
        // Says it has four gigabytes.
        let bomb = bundle(vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]);
        assert!(bomb.unwrap_err().contains("at most"));
    }

    #[test]
    fn a_relation_is_one_of_four_words() {
        assert_eq!(relation(br#"{"status": "diverged", "ahead_by": 1}"#), Ok(Relation::Diverged));
        assert!(relation(br#"{"status": "sideways"}"#).is_err());
        assert!(relation(b"{}").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = entries(&bytes);
            let _ = bundle(bytes);
        }
    }
}
