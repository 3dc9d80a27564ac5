//! A Node application: npm packages under `node_modules`, on the fixed Debian image.

use serde_json::json;

use super::{Sample, debian, elf};
use crate::image::LayerBuilder;

/// lodash with known vulnerabilities.
pub const LODASH_VULNERABLE: &str = "4.17.10";
/// lodash in the fixed sample.
pub const LODASH_FIXED: &str = "4.17.21";

pub(super) fn layers(sample: &Sample, architecture: &str) -> Vec<LayerBuilder> {
    let lodash = if sample.vulnerable { LODASH_VULNERABLE } else { LODASH_FIXED };
    let version = sample.version.as_deref().unwrap_or("0.0.0");
    let package = json!({
        "name": "sample-app",
        "version": version,
        "license": "Apache-2.0",
        "private": true,
        "dependencies": {"lodash": lodash, "ms": "2.1.3", "@sindresorhus/is": "4.6.0"},
    });
    let mut application = LayerBuilder::default()
        .file_with_mode("usr/local/bin/node", elf(architecture, "node"), 0o755)
        .file("app/package.json", format!("{package:#}\n"))
        .file("app/index.js", "console.log(require('lodash').VERSION)\n");
    for (name, version) in [("lodash", lodash), ("ms", "2.1.3"), ("@sindresorhus/is", "4.6.0")] {
        let manifest = json!({
            "name": name,
            "version": version,
            "license": "MIT",
            "main": "index.js",
            "repository": {"type": "git", "url": format!("git+https://github.com/{}.git", name.trim_start_matches('@'))},
        });
        application = application
            .file(&format!("app/node_modules/{name}/package.json"), format!("{manifest:#}\n"))
            .file(&format!("app/node_modules/{name}/index.js"), format!("exports.VERSION = '{version}'\n"));
    }
    let base = Sample { unfixed: sample.unfixed, ..Sample::fixed() };
    vec![debian::base(&base, architecture), application]
}
