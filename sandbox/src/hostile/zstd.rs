//! Zstandard layers (RFC 8878): frames, checksums, windows, bombs.

use std::io::Write as _;

use super::bytes::stored;
use super::{A, Case, Expect, archive_of, base, case, complete, limit, malformed, of_layers};
use crate::image::Layer;
use crate::registry::sha256;

pub(super) fn cases() -> Vec<Case> {
    let mut all = frames();
    all.extend(broken());
    all.extend(sizes());
    all
}

fn layer(bytes: Vec<u8>, archive: &[u8]) -> Layer {
    stored(bytes, sha256(archive), "+zstd")
}

fn of(name: &'static str, expect: Expect, store: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Case {
    case(name, expect, move || {
        let archive = archive_of(base());
        of_layers(vec![layer(store(&archive), &archive)])
    })
}

/// One frame with its checksum.
fn frame(bytes: &[u8]) -> Vec<u8> {
    frame_of(bytes, |_| Ok(()))
}

fn frame_of(
    bytes: &[u8],
    set: impl Fn(&mut zstd::stream::write::Encoder<'_, Vec<u8>>) -> std::io::Result<()>,
) -> Vec<u8> {
    let written = zstd::stream::write::Encoder::new(Vec::new(), 3).and_then(|mut encoder| {
        encoder.include_checksum(true)?;
        set(&mut encoder)?;
        encoder.write_all(bytes)?;
        encoder.finish()
    });
    written.unwrap_or_default()
}

/// A skippable frame that claims this length.
fn skippable(claimed: u32, content: &[u8]) -> Vec<u8> {
    [&[0x50, 0x2a, 0x4d, 0x18][..], &claimed.to_le_bytes(), content].concat()
}

fn frames() -> Vec<Case> {
    vec![
        of("zstd/plain", complete(&[A]), frame),
        of("zstd/many-frames", complete(&[A]), |archive| archive.chunks(100).flat_map(frame).collect()),
        of("zstd/empty-frames-around", complete(&[A]), |archive| [frame(b""), frame(archive), frame(b"")].concat()),
        of("zstd/skippable-frame-first", complete(&[A]), |archive| [skippable(4, b"skip"), frame(archive)].concat()),
        of("zstd/skippable-frame-between", complete(&[A]), |archive| {
            [frame(&archive[..700]), skippable(4, b"skip"), frame(&archive[700..])].concat()
        }),
        // As zstd:chunked appends its table of contents.
        of("zstd/skippable-frame-last", complete(&[A]), |archive| [frame(archive), skippable(4, b"skip")].concat()),
    ]
}

fn broken() -> Vec<Case> {
    let cut = |from_end: usize| {
        move |archive: &[u8]| {
            let mut bytes = frame(archive);
            bytes.truncate(bytes.len() - from_end);
            bytes
        }
    };
    vec![
        of("zstd/truncated", malformed(), cut(20)),
        of("zstd/truncated-checksum", malformed(), cut(2)),
        of("zstd/only-the-magic", malformed(), |_| vec![0x28, 0xb5, 0x2f, 0xfd]),
        of("zstd/junk-behind", malformed(), |archive| [frame(archive), b"junk".to_vec()].concat()),
        of("zstd/wrong-checksum", malformed(), |archive| {
            let mut bytes = frame(archive);
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            bytes
        }),
        of("zstd/reserved-block-type", malformed(), |_| {
            // Magic, a descriptor for a 1 KiB window, and a last block of type 3.
            vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x00, 0x07, 0x00, 0x00]
        }),
        of("zstd/skippable-frame-without-its-content", malformed(), |archive| {
            [frame(archive), skippable(u32::MAX, b"short")].concat()
        }),
        of("zstd/needs-a-dictionary", malformed(), |archive| {
            let dictionary: Vec<u8> = archive.iter().copied().cycle().take(4096).collect();
            let written = zstd::stream::write::Encoder::with_dictionary(Vec::new(), 3, &dictionary)
                .and_then(|mut encoder| {
                    encoder.write_all(archive)?;
                    encoder.finish()
                })
                .unwrap_or_default();
            // A raw dictionary has no number of its own: name one.
            [&written[..4], &[written[4] | 1, 7], &written[5..]].concat()
        }),
        case("zstd/gzip-declared-as-zstd", malformed(), || {
            let archive = archive_of(base());
            of_layers(vec![layer(super::bytes::gzip(&archive), &archive)])
        }),
    ]
}

fn sizes() -> Vec<Case> {
    vec![
        of("zstd/window-of-eight-mebibytes", complete(&[A]), |archive| {
            frame_of(archive, |encoder| encoder.window_log(23))
        }),
        // The decoder would have to allocate 128 MiB before the first byte.
        case("zstd/window-of-128-mebibytes", limit(), || {
            let archive = [archive_of(base()), vec![0; 1 << 20]].concat();
            let bytes = frame_of(&archive, |encoder| {
                encoder.long_distance_matching(true)?;
                encoder.include_contentsize(false)?;
                encoder.window_log(27)
            });
            of_layers(vec![layer(bytes, &archive)])
        }),
        case("zstd/bomb", limit(), || {
            let archive = [archive_of(base()), vec![0; 300 << 20]].concat();
            of_layers(vec![layer(frame(&archive), &archive)])
        })
        .large(),
    ]
}
