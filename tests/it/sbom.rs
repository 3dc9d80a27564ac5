//! From layers to the inventory: whiteouts, links, duplicates, and what is said aloud when something cannot be read.
#![expect(clippy::unwrap_used, reason = "test support: a panic is the failure message")]

use std::sync::Arc;

use countersign::image::{Options, catalog};
use countersign::packages::{AnomalyCode, Ecosystem, Inventory};
use countersign_sandbox::image::{LayerBuilder, Packing};

use crate::image::{Bed, STATUS, base, image, image_of};

async fn inventory(layers: Vec<LayerBuilder>) -> Inventory {
    Bed::new(&image(layers)).catalog().await.unwrap().into_values().next().unwrap()
}

fn layer() -> LayerBuilder {
    LayerBuilder::default()
}

fn npm(name: &str) -> String {
    format!(r#"{{"name":"{name}","version":"1.0.0"}}"#)
}

fn at(name: &str) -> String {
    format!("app/node_modules/{name}/package.json")
}

/// Names of npm packages that are left.
fn left(inventory: &Inventory) -> Vec<&str> {
    inventory.packages.iter().filter(|p| p.ecosystem == Ecosystem::Npm).map(|p| p.name.as_str()).collect()
}

fn codes(inventory: &Inventory) -> Vec<AnomalyCode> {
    inventory.anomalies.iter().map(|a| a.code).collect()
}

#[tokio::test]
async fn layers_hide_replace_and_keep_as_a_runtime_would_see_it() {
    let two = || base().file(&at("x"), npm("x")).file(&at("y"), npm("y"));
    let cases: Vec<(&str, Vec<LayerBuilder>, &[&str])> = vec![
        ("nothing above", vec![two()], &["x", "y"]),
        ("whiteout of a file", vec![two(), layer().whiteout(&at("x"))], &["y"]),
        ("whiteout of a folder", vec![two(), layer().whiteout("app/node_modules/x")], &["y"]),
        ("whiteout of nothing", vec![two(), layer().whiteout("app/none")], &["x", "y"]),
        ("opaque folder", vec![two(), layer().opaque("app/node_modules")], &[]),
        (
            "opaque after content of its own layer",
            vec![two(), layer().file(&at("z"), npm("z")).opaque("app/node_modules")],
            &["z"],
        ),
        (
            "whiteout beside the same file again",
            vec![two(), layer().file(&at("x"), npm("x2")).whiteout(&at("x"))],
            &["x2", "y"],
        ),
        (
            "whiteout, then back",
            vec![two(), layer().whiteout(&at("x")), layer().file(&at("x"), npm("x3"))],
            &["x3", "y"],
        ),
        ("replaced by a newer file", vec![two(), layer().file(&at("x"), npm("new"))], &["new", "y"]),
        ("folder replaced by a file", vec![two(), layer().file("app/node_modules", "")], &[]),
        ("folder replaced by a link", vec![two(), layer().symlink("app", "gone")], &[]),
        ("file replaced by a folder", vec![two(), layer().directory(&at("x"))], &["y"]),
        (
            "the last of two entries wins",
            vec![base().file(&at("x"), npm("first")).file(&at("x"), npm("last"))],
            &["last"],
        ),
        ("a name with dots", vec![base().file(&format!("./opt//./{}", at("x")), npm("x"))], &["x"]),
        (
            "hard link in the same layer",
            vec![base().file(&at("x"), npm("x")).hard_link(&at("y"), &at("x"))],
            &["x", "x"],
        ),
        (
            "hard link whose first name is whited out",
            vec![base().file(&at("x"), npm("x")).hard_link(&at("y"), &at("x")), layer().whiteout(&at("x"))],
            &["x"],
        ),
        ("hard link to a lower layer", vec![two(), layer().hard_link(&at("z"), &at("x"))], &["x", "x", "y"]),
        (
            "hard link to a file without a telling name",
            vec![base().file("opt/blob", npm("x")).hard_link(&at("x"), "opt/blob")],
            &["x"],
        ),
        (
            "two hard links to a file without a telling name",
            vec![base().file("opt/blob", npm("x")).hard_link(&at("x"), "opt/blob").hard_link(&at("y"), "opt/blob")],
            &["x", "x"],
        ),
        (
            "two hard links from above to a file without a telling name",
            vec![
                base().file("opt/blob", npm("x")),
                layer().hard_link(&at("x"), "opt/blob"),
                layer().hard_link(&at("y"), "/opt/blob"),
            ],
            &["x", "x"],
        ),
        (
            "hard link whose nameless target is hidden by its own layer",
            vec![base().file("opt/blob", npm("x")), layer().hard_link(&at("x"), "opt/blob").whiteout("opt/blob")],
            &["x"],
        ),
        (
            "whiteout through a folder link",
            vec![
                base().symlink("app", "real").file("real/node_modules/x/package.json", npm("x")),
                layer().whiteout(&at("x")),
            ],
            &[],
        ),
        (
            "replaced through a folder link",
            vec![
                base().symlink("app", "/real").file("real/node_modules/x/package.json", npm("x")),
                layer().file(&at("x"), npm("new")),
            ],
            &["new"],
        ),
        (
            "a link above a link",
            vec![
                base().symlink("a", "b").file("b/keep", "").file("c/node_modules/x/package.json", npm("x")),
                layer().symlink("a/app", "/c"),
                layer().file("b/app/node_modules/x/package.json", npm("new")),
            ],
            &["new"],
        ),
        (
            "a name longer than a header",
            vec![base().file(&format!("{}/{}", "d".repeat(150), at("x")), npm("x"))],
            &["x"],
        ),
        (
            "a linked name longer than a header",
            vec![
                base()
                    .file(&format!("{}/{}", "d".repeat(150), at("x")), npm("x"))
                    .hard_link(&at("y"), &format!("{}/{}", "d".repeat(150), at("x"))),
            ],
            &["x", "x"],
        ),
        (
            "hard link below to a file without a telling name",
            vec![base().file("opt/blob", npm("x")), layer().hard_link(&at("x"), "opt/blob")],
            &["x"],
        ),
    ];
    for (what, layers, expect) in cases {
        let found = inventory(layers).await;
        assert_eq!(left(&found), expect, "{what}");
        assert_eq!(codes(&found), [], "{what}");
    }
}

#[tokio::test]
async fn packages_owned_by_the_system_count_once_unless_asked_for() {
    let owned = "usr/share/node_modules/x/package.json";
    let sums = format!("d41d8cd98f00b204e9800998ecf8427e  {owned}\n");
    let layers = vec![base().file("var/lib/dpkg/info/a.md5sums", sums).file(owned, npm("x")).file(&at("y"), npm("y"))];
    let bed = Bed::new(&image(layers.clone()));
    assert_eq!(left(&inventory(layers).await), ["y"]);
    let images = bed.expand().await.unwrap().images();
    let options = Options { keep_os_owned: true, ..Options::default() };
    let all = catalog(Arc::new(bed.source().await), &images, options).await.unwrap();
    assert_eq!(left(all.values().next().unwrap()), ["x", "y"]);
}

#[tokio::test]
async fn a_package_names_the_layer_that_brought_it() {
    let layers = vec![base(), layer().file(&at("x"), npm("x")), layer().file(&at("y"), npm("y"))];
    let built = image(layers.clone());
    let found = inventory(layers).await;
    let of = |name: &str| found.packages.iter().find(|p| p.name == name).unwrap().layer.clone().unwrap();
    for (number, name) in ["a", "x", "y"].into_iter().enumerate() {
        assert_eq!(of(name).digest.to_string(), built.layers[number].digest, "{name}");
        assert_eq!(of(name).diff_id.to_string(), built.layers[number].diff_id, "{name}");
    }
}

#[tokio::test]
async fn a_sparse_file_that_would_matter_is_said_to_be_unread() {
    for (path, mode, expect) in [
        ("app/node_modules/x/package.json", 0o644, vec![AnomalyCode::DatabaseUnreadable]),
        ("usr/bin/x", 0o755, vec![AnomalyCode::DatabaseUnreadable]),
        ("var/log/lastlog", 0o644, vec![]),
    ] {
        let mut archive = base().build(Packing::Plain).unwrap().bytes;
        archive.truncate(archive.len() - 1024);
        let mut header = tar::Header::new_gnu();
        header.set_path(path).unwrap();
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.set_mode(mode);
        header.set_size(0);
        header.set_cksum();
        archive.extend(header.as_bytes());
        archive.extend([0; 1024]);
        let kind = "application/vnd.oci.image.layer.v1.tar";
        let bed = Bed::new(&image_of(archive.clone(), &archive, kind));
        let found = bed.catalog().await.unwrap().into_values().next().unwrap();
        assert_eq!(codes(&found), expect, "{path}");
    }
}

#[tokio::test]
async fn a_database_behind_links_is_found() {
    let os = "ID=debian\nVERSION_ID=12\n";
    let plain = || layer().file("etc/os-release", os);
    for (what, layers) in [
        ("folder link", vec![plain().symlink("var/lib/dpkg", "../../opt/db").file("opt/db/status", STATUS)]),
        ("absolute link", vec![plain().symlink("var/lib/dpkg", "/opt/db").file("opt/db/status", STATUS)]),
        (
            "link out of the root",
            vec![plain().symlink("var/lib/dpkg", "../../../../../opt/db").file("opt/db/status", STATUS)],
        ),
        ("link made later", vec![plain().file("opt/db/status", STATUS), layer().symlink("var/lib/dpkg", "/opt/db")]),
        ("file link", vec![plain().file("data/x", STATUS).symlink("var/lib/dpkg/status", "/data/x")]),
        ("distroless parts", vec![plain().symlink("var/lib/dpkg", "/o").file("o/status.d/a", STATUS)]),
        ("two links", vec![plain().symlink("var/lib", "/l").symlink("l/dpkg", "/o").file("o/status", STATUS)]),
        (
            "linked os-release",
            vec![layer().file("opt/os", os).symlink("etc/os-release", "../opt/os").file("var/lib/dpkg/status", STATUS)],
        ),
        (
            "usual os-release",
            vec![
                layer()
                    .file("usr/lib/os-release", os)
                    .symlink("etc/os-release", "../usr/lib/os-release")
                    .file("var/lib/dpkg/status", STATUS),
            ],
        ),
    ] {
        let found = inventory(layers).await;
        assert_eq!((found.packages.len(), codes(&found)), (1, vec![]), "{what}");
        assert_eq!(found.os.unwrap().id, "debian", "{what}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_said() {
    let large = format!("{STATUS}\n{}", "x".repeat(17 << 20));
    let elf = |mark: &[u8]| [b"\x7fELF".to_vec(), vec![0; 200_000], mark.to_vec(), vec![0; 100]].concat();
    use AnomalyCode as A;
    let cases: Vec<(&str, Vec<LayerBuilder>, &[A])> = vec![
        ("no layers at all", vec![], &[A::NoComponents]),
        ("loop", vec![base().symlink("etc/os-release", "os-release")], &[A::OsUnknown, A::LinkUnresolved]),
        (
            "database too large",
            vec![base().file("var/lib/dpkg/status", large)],
            &[A::LimitExceeded, A::OsWithoutPackages, A::NoComponents],
        ),
        (
            "dangling database",
            vec![base().symlink("var/lib/dpkg/status", "/none")],
            &[A::OsWithoutPackages, A::LinkUnresolved, A::NoComponents],
        ),
        ("dangling hard link", vec![base().hard_link(&at("x"), "none")], &[A::LinkUnresolved]),
        (
            "deleted database",
            vec![base(), layer().whiteout("var/lib/dpkg/status")],
            &[A::OsWithoutPackages, A::NoComponents],
        ),
        ("deleted os-release", vec![base(), layer().whiteout("etc/os-release")], &[A::OsUnknown]),
        // Marks without an executable around them: unreadable, and said so.
        (
            "Go executable",
            vec![base().file_with_mode("app/x", elf(b"\xff Go buildinf:"), 0o755)],
            &[A::DatabaseUnreadable],
        ),
        ("Rust executable", vec![base().file_with_mode("app/x", elf(b".dep-v0\0"), 0o755)], &[A::DatabaseUnreadable]),
        ("other executable", vec![base().file_with_mode("app/x", elf(b"nothing"), 0o755)], &[]),
        ("not executable", vec![base().file("app/x", elf(b"\xff Go buildinf:"))], &[]),
        ("Java archive", vec![base().file("app/x.jar", "PK")], &[A::DatabaseUnreadable]),
        ("Java archive replaced", vec![base().file("app/x.jar", "PK"), layer().whiteout("app/x.jar")], &[]),
        ("broken package.json", vec![base().file(&at("x"), "{")], &[A::EntryUnreadable]),
    ];
    for (what, layers, expect) in cases {
        let found = inventory(layers).await;
        assert_eq!(codes(&found), expect, "{what}: {:?}", found.anomalies);
        assert_eq!(found.complete(), expect.is_empty(), "{what}");
    }
}
