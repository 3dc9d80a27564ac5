//! Results of earlier runs: used where they are true, and nowhere else.
#![expect(clippy::unwrap_used, reason = "test support: a panic is the failure message")]

use std::fs;
use std::sync::Arc;

use countersign::image::{ImageError, LayerCache, Options};
use countersign::packages::Inventory;

use crate::image::{Bed, Counting, base, image};

fn cache(folder: &tempfile::TempDir) -> Options {
    let opened = LayerCache::open(&folder.path().join("layers"), &folder.path().join("state/key"), "test");
    Options { cache: Some(Arc::new(opened.unwrap())), ..Options::default() }
}

async fn read(bed: &Bed, options: &Options) -> (Result<Inventory, ImageError>, usize) {
    let source = Arc::new(Counting::of(bed.source().await));
    let images = bed.expand().await.unwrap().images();
    let found = countersign::image::catalog(source.clone(), &images, options.clone()).await;
    (found.map(|all| all.into_values().next().unwrap()), source.blobs())
}

#[tokio::test]
async fn a_layer_that_was_read_is_not_read_again_and_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let bed = Bed::new(&image(vec![base(), base()]));
    let (first, reads) = read(&bed, &cache(&folder)).await;
    assert_eq!(reads, 1, "two layers with the same digest are one");
    let (second, reads) = read(&bed, &cache(&folder)).await;
    assert_eq!((second.unwrap(), reads), (first.unwrap(), 0));
    let (_, reads) = read(&bed, &Options::default()).await;
    assert_eq!(reads, 1, "without a cache");
}

#[tokio::test]
async fn i7_a_blob_swapped_after_it_was_read_is_refused_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let built = image(vec![base()]);
    let bed = Bed::new(&built);
    read(&bed, &cache(&folder)).await.0.unwrap();
    let path = bed.blob(&built.layers[0].digest);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (found, reads) = read(&bed, &cache(&folder)).await;
    assert!(matches!(found, Err(ImageError::Contradiction { .. })), "{found:?}");
    assert_eq!(reads, 1);
    fs::remove_file(&path).unwrap();
    let (found, _) = read(&bed, &cache(&folder)).await;
    assert!(matches!(found, Err(ImageError::BlobMissing { .. })), "{found:?}");
}

#[tokio::test]
async fn i7_nothing_is_kept_of_a_layer_whose_digests_differ() {
    let folder = tempfile::tempdir().unwrap();
    let built = image(vec![base()]);
    let bed = Bed::new(&built);
    fs::write(bed.blob(&built.layers[0].digest), "other bytes").unwrap();
    read(&bed, &cache(&folder)).await.0.unwrap_err();
    assert_eq!(fs::read_dir(folder.path().join("layers")).unwrap().count(), 0);
}
