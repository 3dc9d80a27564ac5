use super::*;

fn layer(name: &str) -> Layer {
    Layer { digest: Digest::of(name.as_bytes()), diff_id: Digest::of(format!("diff {name}").as_bytes()) }
}

fn file(path: &str, content: &str) -> FoundFile {
    let kind = crate::packages::candidate::candidate(path).unwrap();
    FoundFile {
        path: path.to_owned(),
        kind,
        extract: extracted(path, content),
        layer: layer("top"),
        earlier: Vec::new(),
    }
}

fn extracted(path: &str, content: &str) -> Arc<Extract> {
    let kind = crate::packages::candidate::candidate(path).unwrap();
    let mut bytes = content.as_bytes();
    let mut content = crate::packages::Content::new(&mut bytes, content.len() as u64, 0);
    Arc::new(crate::packages::extract(kind, path, &mut content).unwrap())
}

fn codes(inventory: &Inventory) -> Vec<AnomalyCode> {
    inventory.anomalies.iter().map(|a| a.code).collect()
}

const DEBIAN: &str = "ID=debian\nVERSION_ID=\"12\"\n";

#[test]
fn a_package_belongs_to_the_layer_that_brought_its_version() {
    let status = "Package: a\nVersion: 1\n\nPackage: b\nVersion: 2\n";
    let mut found = file("var/lib/dpkg/status", status);
    found.earlier = vec![(layer("base"), extracted(&found.path, "Package: a\nVersion: 1\n\nPackage: b\nVersion: 1\n"))];
    let inventory = inventory(&[file("etc/os-release", DEBIAN), found], Vec::new(), false);
    let layers: Vec<_> = inventory.packages.iter().map(|p| p.layer.clone().unwrap()).collect();
    assert_eq!(layers, [layer("base"), layer("top")]);
    assert!(inventory.complete());
}

#[test]
fn language_packages_owned_by_os_packages_are_dropped() {
    let npm = r#"{"name":"npm","version":"1.0.0"}"#;
    let files = [
        file("etc/os-release", DEBIAN),
        file("var/lib/dpkg/status", "Package: npm\nVersion: 1\n"),
        file("var/lib/dpkg/info/npm.md5sums", "00  usr/share/nodejs/node_modules/npm/package.json\n00  lib/x.jar\n"),
        file("usr/share/nodejs/node_modules/npm/package.json", npm),
        file("app/node_modules/npm/package.json", npm),
        file("usr/lib/x.jar", ""),
    ];
    let inventory = inventory(&files, Vec::new(), false);
    let paths: Vec<_> = inventory.packages.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["var/lib/dpkg/status", "app/node_modules/npm/package.json"]);
    assert!(inventory.complete(), "{:?}", inventory.anomalies);
}

#[test]
fn databases_that_are_not_catalogued_are_one_anomaly_per_kind_and_layer() {
    let mut files: Vec<_> = (0..50).map(|i| file(&format!("var/lib/pacman/local/p{i}/desc"), "")).collect();
    files.push(file("var/db/pkg/a/b/CONTENTS", ""));
    files.push(file("etc/os-release", DEBIAN));
    files.push(file("var/lib/dpkg/status", "Package: a\nVersion: 1\n"));
    let inventory = inventory(&files, Vec::new(), false);
    assert_eq!(codes(&inventory), [AnomalyCode::DatabaseUnsupported; 2]);
    assert!(inventory.anomalies.iter().any(|a| a.detail.ends_with("(and 49 more)")));
}

#[test]
fn an_operating_system_without_packages_is_never_a_clean_image() {
    assert_eq!(codes(&inventory(&[], Vec::new(), false)), [AnomalyCode::NoComponents]);
    let os_only = inventory(&[file("etc/os-release", DEBIAN)], Vec::new(), false);
    assert_eq!(codes(&os_only), [AnomalyCode::OsWithoutPackages, AnomalyCode::NoComponents]);
    let no_os = inventory(&[file("var/lib/dpkg/status", "Package: a\nVersion: 1\n")], Vec::new(), false);
    assert_eq!(codes(&no_os), [AnomalyCode::OsUnknown]);
    let testing = [file("etc/os-release", "ID=debian\n"), file("var/lib/dpkg/status", "Package: a\nVersion: 1\n")];
    assert_eq!(codes(&inventory(&testing, Vec::new(), false)), [AnomalyCode::OsUnknown], "no release, no advisories");
}

#[test]
fn a_distribution_without_advisories_is_never_a_clean_image() {
    let status = || file("var/lib/dpkg/status", "Package: a\nVersion: 1\n");
    let of = |id: &str| {
        inventory(&[file("etc/os-release", &format!("ID={id}\nVERSION_ID=12\n")), status()], Vec::new(), false)
    };
    assert_eq!(codes(&of("kali")), [AnomalyCode::OsUnknown]);
    assert_eq!(codes(&of("alpine")), [AnomalyCode::OsUnknown], "dpkg is not what Alpine's advisories are about");
    assert_eq!(codes(&of("ubuntu")), []);
}

#[test]
fn many_unreadable_entries_of_one_file_are_counted_not_listed() {
    let status = "Package: a\n\n".repeat(100) + "Package: good\nVersion: 1\n";
    let inventory = inventory(&[file("var/lib/dpkg/status", &status)], Vec::new(), false);
    assert_eq!(inventory.packages.len(), 1);
    let unreadable = inventory.anomalies.iter().filter(|a| a.code == AnomalyCode::EntryUnreadable).count();
    assert_eq!(unreadable, MAX_ANOMALIES_PER_FILE + 1);
}

#[test]
fn the_alpine_stream_of_the_repositories_decides_the_release() {
    let alpine = |version: &str, stream: &str| {
        let files = [
            file("etc/os-release", &format!("ID=alpine\nVERSION_ID={version}\n")),
            file("etc/apk/repositories", &format!("https://example.com/alpine/{stream}/main\n")),
        ];
        inventory(&files, Vec::new(), false).os.unwrap().version
    };
    assert_eq!(alpine("3.19.1", "v3.19"), "3.19.1");
    assert_eq!(alpine("3.19.1", "edge"), "edge");
    assert_eq!(alpine("3.1.4", "v3.19"), "3.19");
}

#[test]
fn what_was_read_through_a_link_is_said_of_the_well_known_path() {
    let mut found = file("var/lib/dpkg/status", "Package: a\nVersion: 1\n");
    found.extract = Arc::new(Extract { path: "data/dpkg/status".to_owned(), ..(*found.extract).clone() });
    Arc::make_mut(&mut found.extract).parsed.packages[0].path = "data/dpkg/status".to_owned();
    let inventory = inventory(&[file("etc/os-release", DEBIAN), found], Vec::new(), false);
    assert_eq!(inventory.packages[0].path, "var/lib/dpkg/status");
}

#[test]
fn a_failed_database_and_a_limit_are_anomalies_of_their_own() {
    let mut found = file("var/lib/dpkg/status", "Package: a\nVersion: 1\n");
    let parsed = &mut Arc::make_mut(&mut found.extract).parsed;
    parsed.failed = Some("torn".to_owned());
    parsed.limits = vec!["too much".to_owned()];
    let inventory = inventory(&[file("etc/os-release", DEBIAN), found], Vec::new(), false);
    assert_eq!(codes(&inventory), [AnomalyCode::DatabaseUnreadable, AnomalyCode::LimitExceeded]);
}

#[test]
fn a_list_owns_only_files_of_its_own_layer_and_of_an_official_package() {
    let path = "usr/lib/node_modules/npm/package.json";
    let list = format!("00  {path}\n");
    let found = |status: &str, layer_of_file: &str| {
        let mut npm = file(path, r#"{"name":"npm","version":"1.0.0"}"#);
        npm.layer = layer(layer_of_file);
        let files = [
            file("etc/os-release", DEBIAN),
            file("var/lib/dpkg/status", status),
            file("var/lib/dpkg/info/npm.md5sums", &list),
            npm,
        ];
        inventory(&files, Vec::new(), false).packages.iter().any(|p| p.ecosystem == Ecosystem::Npm)
    };
    let official = "Package: npm\nVersion: 1\nMaintainer: Debian <d@debian.org>\n";
    assert!(!found(official, "top"), "the distribution's own");
    assert!(found(official, "higher"), "somebody put another npm in its place");
    assert!(found("Package: other\nVersion: 1\n", "top"), "a list of a package that is not installed");
    assert!(found("Package: npm\nVersion: 1\nMaintainer: X <x@nodesource.com>\n", "top"), "another vendor's package");
}

#[test]
fn a_base_layers_database_owns_the_base_layers_files() {
    let apk = |owned: &str| format!("P:npm\nV:1-r0\nF:usr/lib/node_modules/npm\nR:{owned}\n");
    let mut database = file("lib/apk/db/installed", &apk("other.json"));
    database.earlier = vec![(layer("base"), extracted("lib/apk/db/installed", &apk("package.json")))];
    let mut npm = file("usr/lib/node_modules/npm/package.json", r#"{"name":"npm","version":"1.0.0"}"#);
    npm.layer = layer("base");
    let files = [file("etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n"), database, npm];
    assert!(inventory(&files, Vec::new(), false).packages.iter().all(|p| p.ecosystem == Ecosystem::Apk));
}

#[test]
fn families_without_advisories_are_an_anomaly() {
    let rpm = include_bytes!("../../testdata/rpm/rpmdb.sqlite");
    let codes = |release: &str| {
        let mut bytes = &rpm[..];
        let path = "var/lib/rpm/rpmdb.sqlite";
        let mut content = crate::packages::Content::new(&mut bytes, rpm.len() as u64, 0);
        let extract = crate::packages::extract(Candidate::RpmDatabase, path, &mut content).unwrap();
        let database = FoundFile {
            path: path.to_owned(),
            kind: Candidate::RpmDatabase,
            extract: Arc::new(extract),
            layer: layer("top"),
            earlier: Vec::new(),
        };
        codes(&inventory(&[file("etc/os-release", release), database], Vec::new(), false))
    };
    for (release, expect) in [
        ("ID=rocky\nVERSION_ID=9.3\n", &[][..]),
        ("ID=\"rhel\"\nVERSION_ID=\"9.3\"\n", &[]),
        ("ID=opensuse-tumbleweed\nVERSION_ID=20240101\n", &[]),
        ("ID=fedora\nVERSION_ID=41\n", &[AnomalyCode::OsUnknown]),
        ("ID=centos\nVERSION_ID=9\nPRETTY_NAME=\"CentOS Stream 9\"\n", &[AnomalyCode::OsUnknown]),
        ("ID=centos\nVERSION_ID=7\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n", &[]),
        ("ID=debian\nVERSION_ID=12\n", &[AnomalyCode::OsUnknown]),
    ] {
        assert_eq!(codes(release), expect, "{release}");
    }
}

#[test]
fn licences_come_from_the_packages_copyright_file() {
    let files = [
        file("etc/os-release", DEBIAN),
        file("var/lib/dpkg/status", "Package: zlib1g\nVersion: 1\n\nPackage: other\nVersion: 1\n"),
        file("usr/share/doc/zlib1g/copyright", "License: Zlib\n"),
    ];
    let packages = inventory(&files, Vec::new(), false).packages;
    assert_eq!((packages[0].licences.len(), packages[1].licences.as_slice()), (0, &["Zlib".to_owned()][..]));
}

#[test]
fn extended_maintenance_has_advisories_of_its_own() {
    let status = r#"{"services":[{"name":"esm-infra","status":"enabled"}]}"#;
    let release = |os: &str| {
        let files = [file("etc/os-release", os), file("var/lib/ubuntu-advantage/status.json", status)];
        inventory(&files, Vec::new(), false).os.unwrap().version
    };
    assert_eq!(release("ID=ubuntu\nVERSION_ID=20.04\n"), "20.04-ESM");
    assert_eq!(release(DEBIAN), "12");
}

#[test]
fn of_an_owned_sbom_only_packages_of_the_system_count() {
    let sbom = r#"{"bomFormat":"CycloneDX","components":[
        {"type":"library","name":"b","purl":"pkg:deb/debian/b@1"},{"type":"library","name":"c","purl":"pkg:npm/c@1"}]}"#;
    let files = |owner: &str| {
        [
            file("etc/os-release", DEBIAN),
            file("var/lib/dpkg/status", "Package: a\nVersion: 1\n"),
            file("var/lib/dpkg/info/a.md5sums", owner),
            file("var/lib/db/sbom/x.cdx.json", sbom),
        ]
    };
    let names = |files: &[FoundFile]| -> Vec<String> {
        inventory(files, Vec::new(), false).packages.into_iter().map(|p| p.name).collect()
    };
    assert_eq!(names(&files("")), ["a", "b", "c"]);
    assert_eq!(names(&files("d41d8cd98f00b204e9800998ecf8427e  var/lib/db/sbom/x.cdx.json\n")), ["a", "b"]);
}
