//! SPDX 2 as tags and values, one a line (spdx.github.io/spdx-spec, "Conformance").

use crate::packages::embedded::Sink;
use crate::packages::embedded::component::{Stated, algorithm};
use crate::packages::embedded::spdx::{is_purl, known, source, supplier};

/// Reads every package up to a line without a tag, which breaks the document.
pub(super) fn read(bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let mut current: Option<Stated> = None;
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (tag, value) = line.split_once(':').ok_or_else(|| format!("line {} has no tag", index + 1))?;
        let mut value = value.trim().to_owned();
        // A text of several lines.
        if value.starts_with("<text>") {
            let mut open = !value.contains("</text>");
            while open {
                let (_, more) = lines.next().ok_or_else(|| format!("the text of line {} has no end", index + 1))?;
                open = !more.contains("</text>");
                value.push('\n');
                value.push_str(more);
            }
            value = value.replace("<text>", "").replace("</text>", "");
        }
        match tag.trim() {
            "PackageName" => {
                let next = Stated { name: value, ..Stated::default() };
                finish(current.replace(next), sink);
            }
            // Files and licences follow the packages that they belong to, and have names of their own.
            "FileName" | "SnippetSPDXID" | "LicenseID" => finish(current.take(), sink),
            tag => {
                if let Some(stated) = &mut current {
                    describe(stated, tag, &value);
                }
            }
        }
    }
    finish(current, sink);
    Ok(())
}

fn finish(package: Option<Stated>, sink: &mut Sink<'_>) {
    if let Some(package) = package {
        sink.take(Ok(package));
    }
}

fn describe(stated: &mut Stated, tag: &str, value: &str) {
    match tag {
        "ExternalRef" if stated.purl.is_empty() => {
            let mut words = value.split_whitespace();
            let (category, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if is_purl(category, kind) {
                stated.purl = words.next().unwrap_or_default().to_owned();
            }
        }
        "PackageLicenseDeclared" => stated.licences = known(value).into_iter().collect(),
        "PackageLicenseConcluded" if stated.licences.is_empty() => stated.licences = known(value).into_iter().collect(),
        "PackageSupplier" => stated.supplier = supplier(value),
        "PackageSourceInfo" => stated.source = source(value),
        "PackageChecksum" => {
            if let Some((alg, sum)) = value.split_once(':')
                && let Some(alg) = algorithm(alg.trim())
            {
                stated.hashes.push((alg.to_owned(), sum.trim().to_owned()));
            }
        }
        "PackageAttributionText" => {
            if let Some((name, value)) = value.split_once(": ") {
                stated.property(name, value);
            }
        }
        _ => {}
    }
}
