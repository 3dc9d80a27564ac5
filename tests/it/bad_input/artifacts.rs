//! `sbom` and `scan` of what is no image, or an image that cannot be read.

use countersign_sandbox::image::{Image, write_layout};
use serde_json::{Value, json};

use super::Bed;
use crate::image::{base, changed, image};

const CHART: &str = "application/vnd.cncf.helm.config.v1+json";

fn chart() -> Image {
    changed(image(vec![base()]), |_| {}, |manifest| manifest["config"]["mediaType"] = json!(CHART))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_has_an_sbom_with_its_type_and_nothing_to_scan() {
    let bed = Bed::start().await;
    write_layout(&bed.path("layout"), &[("chart", &chart())]).unwrap();
    let run = bed.run(&["sbom", "layout"]).await;
    assert_eq!(run.code, 0, "{run}");
    let document = run.document();
    let root = &document["metadata"]["component"];
    assert_eq!((&root["type"], &root["version"]), (&json!("file"), &json!(chart().digest)), "{run}");
    let property = json!({ "name": "countersign:artifact-type", "value": CHART });
    assert!(root["properties"].as_array().unwrap().contains(&property), "{run}");
    assert_eq!(document["components"].as_array().map_or(0, Vec::len), 0, "{run}");
    // Nobody looked inside, so nobody says that nothing is inside.
    assert_eq!(document["compositions"][0]["aggregate"], Value::from("unknown"), "{run}");
    bed.json(&["scan", "layout"]).await.refused("usage", &["is an artifact", "nothing to scan"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_image_is_refused_with_one_coded_error() {
    let bed = Bed::start().await;
    bed.write("folder/readme", "no layout");
    bed.write("file.tar", "no archive");
    bed.json(&["sbom", "folder"]).await.refused("malformed-answer", &["folder is no image"]);
    bed.json(&["sbom", "file.tar"]).await.refused("malformed-answer", &["file.tar is no image"]);
    let huge = changed(image(vec![base()]), |_| {}, |manifest| manifest["config"]["size"] = json!(9_u64 << 20));
    let more = changed(
        image(vec![base()]),
        |config| config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(json!(chart().digest)),
        |_| {},
    );
    for (name, built, exit, code) in [("huge", huge, 7, "limit-exceeded"), ("more", more, 4, "malformed-answer")] {
        write_layout(&bed.path(name), &[("x", &built)]).unwrap();
        let run = bed.json(&["sbom", name]).await;
        assert_eq!((run.code, run.document()["reasons"][0]["code"].as_str()), (exit, Some(code)), "{run}");
    }
}
