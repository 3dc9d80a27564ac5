use super::*;
use crate::image::layer_scan::LayerFacts;

struct Bed {
    folder: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn open(&self, key: &str, maker: &str) -> LayerCache {
        let key = self.folder.path().join("state").join(key);
        LayerCache::open(&self.folder.path().join("layers"), &key, maker).unwrap()
    }

    fn entries(&self) -> Vec<PathBuf> {
        let listing = fs::read_dir(self.folder.path().join("layers")).unwrap();
        let mut paths: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

fn read(link: &str) -> ReadLayer {
    let mut facts = LayerFacts::default();
    facts.symlinks.insert(link.to_owned(), "x".to_owned());
    ReadLayer { facts, diff_id: Digest::of(b"plain") }
}

fn key<'a>(digest: &'a Digest, aliases: &'a Aliases) -> LayerKey<'a> {
    LayerKey { digest, encoding: Encoding::Gzip, aliases }
}

#[test]
fn what_was_kept_comes_back_to_the_same_program_only() {
    let bed = Bed::new();
    let (digest, other) = (Digest::of(b"layer"), Digest::of(b"other"));
    let (none, some) = (Aliases::new(), Aliases::from([("a".to_owned(), "b".to_owned())]));
    let cache = bed.open("key", "1.0");
    assert_eq!(cache.get(key(&digest, &none), None), None);
    cache.put(key(&digest, &none), None, &read("a"));
    assert_eq!(cache.get(key(&digest, &none), None), Some(read("a")));
    assert_eq!(bed.open("key", "1.0").get(key(&digest, &none), None), Some(read("a")));
    assert_eq!(cache.get(key(&other, &none), None), None);
    assert_eq!(cache.get(key(&digest, &some), None), None, "read with other links in mind");
    let zstd = LayerKey { digest: &digest, encoding: Encoding::Zstd, aliases: &none };
    assert_eq!(cache.get(zstd, None), None, "declared as something else");
    assert_eq!(bed.open("key", "1.1").get(key(&digest, &none), None), None, "another version may find more");
}

#[test]
fn a_damaged_moved_or_foreign_entry_is_a_miss() {
    let none = Aliases::new();
    let (digest, other) = (Digest::of(b"layer"), Digest::of(b"other"));
    let bed = Bed::new();
    let cache = bed.open("key", "1");
    cache.put(key(&digest, &none), None, &read("a"));
    let path = bed.entries().remove(0);
    let good = fs::read(&path).unwrap();
    for at in [0, MAGIC.len(), MAGIC.len() + MAC_BYTES, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        assert_eq!(cache.get(key(&digest, &none), None), None, "byte {at}");
    }
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert_eq!(cache.get(key(&digest, &none), None), None, "cut");
    fs::write(&path, &good).unwrap();
    fs::write(bed.folder.path().join("layers").join(cache.name(key(&other, &none))), &good).unwrap();
    assert_eq!(cache.get(key(&other, &none), None), None, "under another layer's name");
    // Who can write the folder, but not the key, is not believed.
    assert_eq!(bed.open("other-key", "1").get(key(&digest, &none), None), None);
    assert_eq!(cache.get(key(&digest, &none), None), Some(read("a")));
}

#[test]
fn a_file_counts_only_where_it_was_read() {
    let none = Aliases::new();
    let digest = Digest::of(b"layer");
    let bed = Bed::new();
    let cache = bed.open("key", "1");
    cache.put(key(&digest, &none), Some("file 1"), &read("a"));
    assert_eq!(cache.get(key(&digest, &none), Some("file 1")), Some(read("a")));
    assert_eq!(cache.get(key(&digest, &none), Some("file 2")), None);
    for path in bed.entries().iter().filter(|p| p.extension().is_some_and(|e| e == "seen")) {
        fs::write(path, [0; MAC_BYTES]).unwrap();
    }
    assert_eq!(cache.get(key(&digest, &none), Some("file 1")), None, "a forged mark");
}

#[test]
fn leftovers_of_killed_runs_go_and_what_is_used_stays() {
    let none = Aliases::new();
    let bed = Bed::new();
    let cache = bed.open("key", "1");
    let old = SystemTime::now() - LEFT_BEHIND * 2;
    for (name, time) in [(".writing-old", old), (".writing-new", SystemTime::now()), ("unused.layer", old)] {
        let file = fs::File::create(bed.folder.path().join("layers").join(name)).unwrap();
        file.set_modified(time).unwrap();
    }
    cache.put(key(&Digest::of(b"layer"), &none), None, &read("a"));
    let names: Vec<_> = bed.entries().iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert!(!names.contains(&".writing-old".to_owned()) && names.contains(&".writing-new".to_owned()));
    assert_eq!(names.len(), 3);
}

#[test]
fn a_folder_that_others_may_write_to_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::new();
    let layers = bed.folder.path().join("layers");
    fs::create_dir(&layers).unwrap();
    fs::set_permissions(&layers, fs::Permissions::from_mode(0o777)).unwrap();
    let opened = LayerCache::open(&layers, &bed.folder.path().join("state/key"), "1");
    assert_eq!(opened.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
}
