//! The log's contents as C2SP tlog-tiles: hash tiles (`tile/<level>/<index>[.p/<width>]`) and entry bundles
//! (`tile/entries/<index>[.p/<width>]`).

use super::{merkle, merkle::Hash, rekor::Rekor, server::error};
use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use std::sync::Arc;

/// Hashes per full tile.
const WIDTH: usize = 256;
/// Levels of the tree per tile level.
const HEIGHT: u32 = 8;

pub(super) async fn tile(State(rekor): State<Arc<Rekor>>, Path(path): Path<String>) -> Response {
    let (leaves, bodies) = rekor.contents();
    let bytes = match path.strip_prefix("entries/") {
        Some(rest) => entries(&bodies, rest),
        None => path.split_once('/').and_then(|(level, rest)| hashes(&leaves, level.parse().ok()?, rest)),
    };
    match bytes {
        Some(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        None => error(StatusCode::NOT_FOUND, "no such tile"),
    }
}

/// `(first, count)` of the items that a tile path names, if there are as many.
fn range(path: &str, available: usize) -> Option<(usize, usize)> {
    let (path, width) = match path.split_once(".p/") {
        Some((path, width)) => (path, width.parse().ok().filter(|w| (1..WIDTH).contains(w))?),
        None => (path, WIDTH),
    };
    let mut index = 0usize;
    for group in path.split('/') {
        index = index.checked_mul(1000)?.checked_add(group.trim_start_matches('x').parse().ok()?)?;
    }
    let first = index.checked_mul(WIDTH)?;
    (first.checked_add(width)? <= available).then_some((first, width))
}

fn hashes(leaves: &[Hash], level: u32, path: &str) -> Option<Vec<u8>> {
    let span = 1usize.checked_shl(HEIGHT.checked_mul(level)?)?;
    let (first, width) = range(path, leaves.len() / span)?;
    Some((first..first + width).flat_map(|i| merkle::root(&leaves[i * span..(i + 1) * span])).collect())
}

fn entries(bodies: &[Vec<u8>], path: &str) -> Option<Vec<u8>> {
    let (first, width) = range(path, bodies.len())?;
    let mut out = Vec::new();
    for body in &bodies[first..first + width] {
        out.extend_from_slice(&u16::try_from(body.len()).ok()?.to_be_bytes());
        out.extend_from_slice(body);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_path_names_its_items() {
        for (path, available, expected) in [
            ("000.p/3", 3, Some((0, 3))),
            ("000.p/4", 3, None),
            ("000", 256, Some((0, 256))),
            ("x001/000.p/1", 1000 * 256 + 1, Some((256_000, 1))),
            ("000.p/0", 3, None),
            ("nonsense", 300, None),
        ] {
            assert_eq!(range(path, available), expected, "{path}");
        }
    }
}
