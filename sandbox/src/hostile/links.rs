//! Hard and symbolic links: forward, missing, in loops, out of the root, and databases behind them.

use super::bytes::{Head, Tar};
use super::{
    A, Case, DEBIAN, Expect, STATUS, STATUS_PATH, archive_of, base, case, complete, image, incomplete, layer, npm,
    npm_path, of_archives,
};
use crate::image::LayerBuilder;

pub(super) fn cases() -> Vec<Case> {
    let mut all = hard();
    all.extend(symbolic());
    all
}

fn of(name: &'static str, expect: Expect, layers: impl Fn() -> Vec<LayerBuilder> + Send + Sync + 'static) -> Case {
    case(name, expect, move || image(layers()))
}

fn above(name: &'static str, expect: Expect, build: impl Fn(Tar) -> Vec<u8> + Send + Sync + 'static) -> Case {
    case(name, expect, move || of_archives(vec![archive_of(base()), build(Tar::default())]))
}

fn link(tar: Tar, from: &str, to: &str) -> Tar {
    tar.entry(Head::new(from, 0).kind(b'1').link(to), b"")
}

fn hard() -> Vec<Case> {
    let dangling = || incomplete(&["link-unresolved"], &[A]);
    let x = npm_path("x");
    let y = npm_path("y");
    vec![
        above("hard/missing-target", dangling(), {
            let x = x.clone();
            move |tar| link(tar, &x, "no/such/file").end()
        }),
        above("hard/to-itself", dangling(), {
            let x = x.clone();
            move |tar| link(tar, &x, &x).end()
        }),
        above("hard/loop", dangling(), {
            let (x, y) = (x.clone(), y.clone());
            move |tar| link(link(tar, &x, &y), &y, &x).end()
        }),
        above("hard/to-a-folder", dangling(), {
            let x = x.clone();
            move |tar| link(tar.entry(Head::new("dir/", 0).kind(b'5'), b""), &x, "dir").end()
        }),
        above("hard/to-a-device", dangling(), {
            let x = x.clone();
            move |tar| link(tar.entry(Head::new("null", 0).kind(b'3'), b""), &x, "null").end()
        }),
        // Runtimes fail on it; to us its content is known.
        above("hard/to-a-later-entry", complete(&[A, "x@1", "x@1"]), {
            let (x, y) = (x.clone(), y.clone());
            move |tar| link(tar, &y, &x).file(&x, npm("x")).end()
        }),
        above("hard/target-climbs-out", complete(&[A, "x@1", "x@1"]), {
            let (x, y) = (x.clone(), y.clone());
            move |tar| link(tar.file(&x, npm("x")), &y, &format!("../../{x}")).end()
        }),
        above("hard/target-is-absolute", complete(&[A, "x@1", "x@1"]), {
            let (x, y) = (x.clone(), y.clone());
            move |tar| link(tar.file(&x, npm("x")), &y, &format!("/{x}")).end()
        }),
        of("hard/first-name-whited-out", complete(&[A, "x@1"]), || {
            let both = layer().file(&npm_path("x"), npm("x")).hard_link(&npm_path("y"), &npm_path("x"));
            vec![base(), both, layer().whiteout(&npm_path("x"))]
        }),
        of("hard/to-a-file-of-a-lower-layer", complete(&[A, "x@1", "x@1"]), || {
            vec![base().file(&npm_path("x"), npm("x")), layer().hard_link(&npm_path("y"), &npm_path("x"))]
        }),
        of("hard/to-a-file-that-the-same-layer-hides", complete(&[A, "x@1"]), || {
            let moved = layer().hard_link(&npm_path("y"), &npm_path("x")).whiteout(&npm_path("x"));
            vec![base().file(&npm_path("x"), npm("x")), moved]
        }),
        of("hard/database-under-a-harmless-name", complete(&[A]), || {
            vec![layer().file("etc/os-release", DEBIAN).file("opt/data", STATUS).hard_link(STATUS_PATH, "opt/data")]
        }),
        of("hard/database-under-a-harmless-name-below", complete(&[A]), || {
            let below = layer().file("etc/os-release", DEBIAN).file("opt/data", STATUS);
            vec![below, layer().hard_link(STATUS_PATH, "opt/data")]
        }),
        // Writers name the first of them as target; what is behind a chain of others is not looked for, but said.
        of("hard/chain-of-fifty", incomplete(&["link-unresolved", "no-components"], &[]), || {
            let first = layer().file("f0", npm("x"));
            let chain = (1..50).fold(first, |l, n| l.hard_link(&format!("f{n}"), &format!("f{}", n - 1)));
            vec![chain.hard_link(&npm_path("x"), "f49")]
        }),
    ]
}

fn symbolic() -> Vec<Case> {
    let broken = || incomplete(&["link-unresolved", "no-components", "os-without-packages"], &[]);
    let os = || layer().file("etc/os-release", DEBIAN);
    vec![
        of("symbolic/database-links-to-itself", broken(), move || vec![os().symlink(STATUS_PATH, "status")]),
        of("symbolic/database-in-a-loop-of-two", broken(), move || {
            vec![os().symlink(STATUS_PATH, "/a").symlink("a", STATUS_PATH)]
        }),
        of("symbolic/folder-links-to-itself", incomplete(&["no-components", "os-without-packages"], &[]), move || {
            vec![os().symlink("var/lib/dpkg", "dpkg")]
        }),
        of("symbolic/missing-target", broken(), move || vec![os().symlink(STATUS_PATH, "/proc/1/status")]),
        of("symbolic/forty-hops", complete(&[A]), move || {
            let chain = (0..38).fold(os(), |l, n| l.symlink(&format!("l{n}"), &format!("/l{}", n + 1)));
            vec![chain.symlink(STATUS_PATH, "/l0").file("l38", STATUS)]
        }),
        of("symbolic/sixty-hops", broken(), move || {
            let chain = (0..59).fold(os(), |l, n| l.symlink(&format!("l{n}"), &format!("/l{}", n + 1)));
            vec![chain.symlink(STATUS_PATH, "/l0").file("l59", STATUS)]
        }),
        of("symbolic/climbs-out-of-the-root", complete(&[A]), move || {
            vec![os().symlink("var/lib/dpkg", "../../../../../../opt/db").file("opt/db/status", STATUS)]
        }),
        of("symbolic/folder-elsewhere", complete(&[A]), move || {
            vec![os().symlink("var/lib/dpkg", "/opt/db").file("opt/db/status", STATUS)]
        }),
        of("symbolic/made-by-a-later-layer", complete(&[A]), move || {
            vec![os().file("opt/db/status", STATUS), layer().symlink("var/lib/dpkg", "/opt/db")]
        }),
        of("symbolic/redirected-by-a-later-layer", complete(&["b@1-1"]), move || {
            let both = os().file("opt/1/status", STATUS).file("opt/2/status", STATUS.replace(": a", ": b"));
            vec![both.symlink("var/lib/dpkg", "/opt/1"), layer().symlink("var/lib/dpkg", "/opt/2")]
        }),
        of(
            "symbolic/removed-by-a-later-layer",
            incomplete(&["no-components", "os-without-packages"], &[]),
            move || {
                let linked = os().file("opt/db/status", STATUS).symlink("var/lib/dpkg", "/opt/db");
                vec![linked, layer().whiteout("var/lib/dpkg")]
            },
        ),
        of("symbolic/file-written-through-a-linked-folder", complete(&["b@1-1"]), move || {
            let linked = os().file("opt/db/status", STATUS).symlink("var/lib/dpkg", "/opt/db");
            vec![linked, layer().file(STATUS_PATH, STATUS.replace(": a", ": b"))]
        }),
        of("symbolic/usr-merge", complete(&["musl@1"]), || {
            let installed = "P:musl\nV:1\nA:x86_64\n";
            let lower = layer().file("etc/os-release", "ID=alpine\nVERSION_ID=3.20\n").symlink("lib", "usr/lib");
            vec![lower.file("usr/lib/apk/db/installed", installed)]
        }),
        of("symbolic/with-an-empty-target", incomplete(&["no-components", "os-without-packages"], &[]), move || {
            vec![os().symlink("var/lib/dpkg", ".").symlink(STATUS_PATH, "none")]
        }),
        of("symbolic/ten-thousand-of-them", complete(&[A]), || {
            vec![(0..10_000).fold(base(), |l, n| l.symlink(&format!("l/{n}"), &format!("{}", n + 1)))]
        }),
    ]
}
