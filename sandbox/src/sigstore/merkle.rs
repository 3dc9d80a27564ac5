//! The Merkle tree of RFC 6962 §2.1 over SHA-256. Plain recursion: a test log holds thousands of leaves, not millions.

use sha2::{Digest as _, Sha256};

pub(super) type Hash = [u8; 32];

pub(super) fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

pub(super) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// MTH(leaves), where `leaves` are leaf hashes.
pub(super) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [only] => *only,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// PATH(index, leaves): the audit path from the leaf up, empty when `index` is not in the tree.
pub(super) fn inclusion_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() < 2 || index >= leaves.len() {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = if index < left.len() {
        (inclusion_path(index, left), root(right))
    } else {
        (inclusion_path(index - left.len(), right), root(left))
    };
    path.push(sibling);
    path
}

/// The largest power of two smaller than `n` (n ≥ 2).
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9162 §2.1.3.2, written from the text, not from the code above.
    fn root_from_path(leaf: Hash, index: usize, size: usize, path: &[Hash]) -> Option<Hash> {
        let (mut f, mut s, mut r) = (index, size - 1, leaf);
        for p in path {
            if s == 0 {
                return None;
            }
            if f % 2 == 1 || f == s {
                r = node_hash(p, &r);
                while f % 2 == 0 && f != 0 {
                    f /= 2;
                    s /= 2;
                }
            } else {
                r = node_hash(&r, p);
            }
            f /= 2;
            s /= 2;
        }
        (s == 0).then_some(r)
    }

    #[test]
    fn every_leaf_of_every_small_tree_has_a_path_to_the_root() {
        let leaves: Vec<Hash> = (0u8..40).map(|i| leaf_hash(&[i])).collect();
        for size in 1..=leaves.len() {
            for index in 0..size {
                let path = inclusion_path(index, &leaves[..size]);
                assert_eq!(
                    root_from_path(leaves[index], index, size, &path),
                    Some(root(&leaves[..size])),
                    "{index} of {size}"
                );
            }
        }
    }

    #[test]
    fn the_empty_tree_hashes_to_the_empty_string() {
        assert_eq!(hex::encode(root(&[])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
