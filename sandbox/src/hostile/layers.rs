//! What layers do to each other: whiteouts, opaque folders, aufs, replacement (OCI image spec, layer.md).

use super::bytes::{Head, Tar, as_gzip, tightly};
use super::{
    A, Case, Expect, STATUS_PATH, archive_of, base, case, complete, image, incomplete, layer, limit, malformed, npm,
    npm_path, of_archives, of_layers,
};
use crate::image::{ImageBuilder, LayerBuilder};

pub(super) fn cases() -> Vec<Case> {
    let mut all = whiteouts();
    all.extend(opaque());
    all.extend(replacement());
    all.extend(counts());
    all
}

fn of(name: &'static str, expect: Expect, layers: impl Fn() -> Vec<LayerBuilder> + Send + Sync + 'static) -> Case {
    case(name, expect, move || image(layers()))
}

fn above(name: &'static str, expect: Expect, build: impl Fn(Tar) -> Vec<u8> + Send + Sync + 'static) -> Case {
    case(name, expect, move || of_archives(vec![archive_of(base()), build(Tar::default())]))
}

fn x() -> LayerBuilder {
    layer().file(&npm_path("x"), npm("x"))
}

fn gone() -> Expect {
    incomplete(&["no-components", "os-without-packages"], &[])
}

fn whiteouts() -> Vec<Case> {
    vec![
        of("whiteout/of-the-database", gone(), || vec![base(), layer().whiteout(STATUS_PATH)]),
        of("whiteout/of-its-folder", gone(), || vec![base(), layer().whiteout("var/lib/dpkg")]),
        of("whiteout/of-os-release", incomplete(&["os-unknown"], &[A]), || {
            vec![base(), layer().whiteout("etc/os-release")]
        }),
        of("whiteout/of-nothing", complete(&[A]), || vec![base(), layer().whiteout("no/such/file")]),
        of("whiteout/in-the-lowest-layer", complete(&[A]), || vec![base().whiteout(STATUS_PATH)]),
        of("whiteout/beside-its-own-file", complete(&[A, "x@1"]), || vec![base(), x().whiteout(&npm_path("x"))]),
        of("whiteout/before-its-own-file", complete(&[A, "x@1"]), || {
            vec![base(), x(), layer().whiteout(&npm_path("x")).file(&npm_path("x"), npm("x"))]
        }),
        of("whiteout/then-back", complete(&[A, "x@1"]), || vec![base(), x(), layer().whiteout("app"), x()]),
        above("whiteout/of-the-folder-it-is-in", malformed(), |tar| tar.file("var/lib/dpkg/.wh..", "").end()),
        above("whiteout/of-the-folder-above", malformed(), |tar| tar.file("var/lib/dpkg/.wh...", "").end()),
        above("whiteout/without-a-name", malformed(), |tar| tar.file("var/lib/dpkg/.wh.", "").end()),
        above("whiteout/with-content", gone(), |tar| tar.file("var/lib/dpkg/.wh.status", "content").end()),
        above("whiteout/that-is-a-folder", gone(), |tar| {
            tar.entry(Head::new("var/lib/dpkg/.wh.status/", 0).kind(b'5'), b"").end()
        }),
        above("whiteout/that-is-a-link", gone(), |tar| {
            tar.entry(Head::new("var/lib/dpkg/.wh.status", 0).kind(b'2').link("x"), b"").end()
        }),
        above("whiteout/through-a-linked-folder", gone(), |tar| {
            let tar = tar.entry(Head::new("db", 0).kind(b'2').link("var/lib/dpkg"), b"");
            tar.file("db/.wh.status", "").end()
        }),
        above("whiteout/as-overlayfs-keeps-it-on-disk", gone(), |tar| {
            // A character device 0/0 is a whiteout for the kernel, and a device without content for everybody else.
            tar.entry(Head::new(STATUS_PATH, 0).kind(b'3').at(329, b"0000000\x000000000\0"), b"").end()
        }),
        of("whiteout/only-in-the-middle-of-a-name", complete(&[A]), || {
            vec![base(), layer().file("var/lib/dpkg/status.wh.", "")]
        }),
        above("aufs/plink-folder", complete(&[A]), |tar| {
            tar.file(".wh..wh.plnk/1.2", "x").file(".wh..wh.aufs", "").file(".wh..wh.orph/x", "").end()
        }),
        above("aufs/opaque-mark-at-the-root", complete(&["x@1"]), |tar| {
            tar.file(".wh..wh..opq", "").file(&npm_path("x"), npm("x")).end()
        }),
    ]
}

fn opaque() -> Vec<Case> {
    vec![
        of("opaque/before-content", complete(&[A, "y@1"]), || {
            let content = layer().opaque("app/node_modules").file(&npm_path("y"), npm("y"));
            vec![base(), x(), content]
        }),
        of("opaque/after-content", complete(&[A, "y@1"]), || {
            let content = layer().file(&npm_path("y"), npm("y")).opaque("app/node_modules");
            vec![base(), x(), content]
        }),
        of("opaque/of-the-database-folder", gone(), || vec![base(), layer().opaque("var/lib/dpkg")]),
        of("opaque/of-a-folder-above", gone(), || vec![base(), layer().opaque("var")]),
        of("opaque/of-nothing", complete(&[A]), || vec![base(), layer().opaque("no/such/folder")]),
        of("opaque/of-a-folder-with-a-similar-name", complete(&[A]), || vec![base(), layer().opaque("var/lib/dpk")]),
        above("opaque/through-a-linked-folder", gone(), |tar| {
            let tar = tar.entry(Head::new("db", 0).kind(b'2').link("/var/lib/dpkg"), b"");
            tar.file("db/.wh..wh..opq", "").end()
        }),
    ]
}

fn replacement() -> Vec<Case> {
    let b = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1-1\n";
    vec![
        of("replace/database-by-a-newer-one", complete(&["b@1-1"]), move || vec![base(), layer().file(STATUS_PATH, b)]),
        of("replace/database-by-an-empty-one", gone(), || vec![base(), layer().file(STATUS_PATH, "")]),
        of("replace/folder-by-a-file", gone(), || vec![base(), layer().file("var", "")]),
        of("replace/folder-by-a-link-to-nowhere", gone(), || vec![base(), layer().symlink("var/lib/dpkg", "/nowhere")]),
        of("replace/file-by-a-folder", gone(), || vec![base(), layer().directory(STATUS_PATH)]),
        of("replace/folder-by-a-folder", complete(&[A]), || vec![base(), layer().directory("var/lib/dpkg")]),
        of("replace/file-by-a-hard-link", complete(&["b@1-1"]), move || {
            vec![base().file("opt/b", b), layer().hard_link(STATUS_PATH, "opt/b")]
        }),
        of("replace/content-below-a-file", complete(&[A]), || {
            // The folder of an earlier package became a file in between.
            vec![base(), x(), layer().file("app/node_modules/x", "")]
        }),
    ]
}

fn counts() -> Vec<Case> {
    vec![
        case("layers/none", incomplete(&["no-components"], &[]), || ImageBuilder::new("amd64").build()),
        of("layers/the-same-one-twice", complete(&[A]), || vec![base(), base()]),
        of("layers/five-hundred-empty-ones", complete(&[A]), || {
            std::iter::once(base()).chain((0..500).map(|_| layer())).collect()
        }),
        of("layers/too-many", limit(), || std::iter::once(base()).chain((0..512).map(|_| layer())).collect()),
        case("layers/half-a-million-entries-in-one", limit(), || {
            // 200 MB of headers in some hundred kilobytes.
            let mut archive = archive_of(base());
            archive.truncate(archive.len() - 1024);
            let block = Tar::default().file("f", "").0;
            archive.extend(block.repeat(400_000));
            archive.extend([0; 1024]);
            let bytes = tightly(&archive);
            of_layers(vec![as_gzip(bytes, &archive)])
        })
        .large(),
        of("layers/forty-mebibytes-of-packages", incomplete(&["limit-exceeded"], &[A]), || {
            let text = |n: usize| format!(r#"{{"name":"p{n}","version":"1","x":"{}"}}"#, "x".repeat(1 << 20));
            // Each is one byte more than may be read.
            (0..3).fold(vec![base()], |mut all, n| {
                all.push(layer().file(&npm_path(&format!("p{n}")), text(n)));
                all
            })
        }),
    ]
}
