//! The whole document: image → operating system → packages, and whether it is complete.

use std::collections::{BTreeMap, BTreeSet};

use cyclonedx_bom::models::bom::BomReference;
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::composition::{AggregateType, Composition, Compositions};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::lifecycle::{Lifecycle, Lifecycles, Phase};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::models::tool::Tools;
use cyclonedx_bom::prelude::{Bom, DateTime, UrnUuid};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::packages::{Inventory, Package, purl};
use crate::sbom::component::{library, operating_system, root};
use crate::sbom::{SbomError, SbomSubject, SpecVersion};

/// CycloneDX 1.5 JSON of one platform image, compact, in a stable order.
pub fn document(
    inventory: &Inventory,
    subject: &SbomSubject,
    created: Timestamp,
    serial: Uuid,
) -> Result<Vec<u8>, SbomError> {
    let failed = |why: String| SbomError::Write { digest: subject.digest.clone(), why };
    let time = DateTime::try_from(created.to_string()).map_err(|e| failed(e.to_string()))?;
    let bom = bom(inventory, subject, time, serial);
    let mut bytes = Vec::new();
    bom.output_as_json_v1_5(&mut bytes).map_err(|e| failed(e.to_string()))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| failed(e.to_string()))?;
    super::read::with_version(value, SpecVersion::V1_5).map_err(|e| failed(e.to_string()))
}

fn bom(inventory: &Inventory, subject: &SbomSubject, time: DateTime, serial: Uuid) -> Bom {
    let refs = Refs::new(inventory, subject);
    let os = inventory.os.as_ref();
    let mut components: Vec<Component> = Vec::new();
    components.extend(os.zip(refs.os.as_deref()).map(|(os, bom_ref)| operating_system(os, bom_ref)));
    for (package, (bom_ref, purl)) in inventory.packages.iter().zip(&refs.packages) {
        components.push(library(package, os, purl.as_deref(), bom_ref));
    }
    let aggregate = if subject.artifact_type.is_some() {
        AggregateType::Unknown
    } else if inventory.complete() {
        AggregateType::Complete
    } else {
        AggregateType::Incomplete
    };
    Bom {
        serial_number: Some(UrnUuid::from(serial)),
        metadata: Some(Metadata {
            timestamp: Some(time),
            tools: Some(Tools::Object { services: None, components: Some(Components(vec![ourselves()])) }),
            component: Some(root(subject, &inventory.anomalies, &refs.root)),
            lifecycles: Some(Lifecycles(vec![Lifecycle::Phase(Phase::PostBuild)])),
            ..Metadata::default()
        }),
        components: Some(Components(components)),
        dependencies: Some(dependencies(inventory, &refs)),
        compositions: Some(Compositions(vec![Composition {
            bom_ref: None,
            aggregate,
            assemblies: Some(vec![BomReference::new(&refs.root)]),
            dependencies: None,
            vulnerabilities: None,
            signature: None,
        }])),
        ..Bom::default()
    }
}

fn ourselves() -> Component {
    Component::new(Classification::Application, "countersign", env!("CARGO_PKG_VERSION"), None)
}

/// The references inside the document: unique, and the same for the same content.
struct Refs {
    root: String,
    os: Option<String>,
    /// Reference and purl per package, in the inventory's order.
    packages: Vec<(String, Option<String>)>,
}

impl Refs {
    fn new(inventory: &Inventory, subject: &SbomSubject) -> Self {
        let os = inventory.os.as_ref();
        let mut taken = BTreeSet::new();
        let packages = inventory.packages.iter().map(|package| {
            let purl = purl::purl(package, os);
            let base = purl.clone().unwrap_or_else(|| format!("{}@{}", package.name, package.version));
            (unique(&mut taken, base, package), purl)
        });
        Self {
            root: format!("image:{}", subject.digest),
            os: os.map(|os| format!("os:{}@{}", os.id, os.version)),
            packages: packages.collect(),
        }
    }
}

/// The same package at several paths has one purl; its path, then a number, tell them apart.
fn unique(taken: &mut BTreeSet<String>, base: String, package: &Package) -> String {
    let with_path = format!("{base}#{}", package.path);
    let numbered = (2_u32..).map(|n| format!("{with_path}#{n}"));
    let free = [base, with_path.clone()].into_iter().chain(numbered).find(|name| taken.insert(name.clone()));
    free.unwrap_or(with_path)
}

fn dependencies(inventory: &Inventory, refs: &Refs) -> Dependencies {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let (mut below_root, mut below_os): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for (package, (bom_ref, _)) in inventory.packages.iter().zip(&refs.packages) {
        if package.ecosystem.is_os() {
            by_name.entry(&package.name).or_default().push(bom_ref);
        }
        let below = if package.ecosystem.is_os() && refs.os.is_some() { &mut below_os } else { &mut below_root };
        below.push(bom_ref.clone());
    }
    below_root.extend(refs.os.clone());
    below_root.sort();
    below_os.sort();
    let edge = |from: &str, to: Vec<String>| Dependency { dependency_ref: from.to_owned(), dependencies: to };
    let mut all = vec![edge(&refs.root, below_root)];
    all.extend(refs.os.as_deref().map(|os| edge(os, below_os)));
    for (package, (bom_ref, _)) in inventory.packages.iter().zip(&refs.packages) {
        let needs = package.depends.iter().filter_map(|name| by_name.get(name.as_str())).flatten();
        let needs: BTreeSet<String> = needs.filter(|n| **n != bom_ref).map(ToString::to_string).collect();
        all.push(edge(bom_ref, needs.into_iter().collect()));
    }
    Dependencies(all)
}
