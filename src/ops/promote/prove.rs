//! Steps 2 and 3: an SBOM of each platform image, and the scan of it.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use serde_json::Value;
use uuid::Uuid;

use crate::causes::chain;
use crate::evidence::scan::Scan;
use crate::image::{ImageNode, ImageTree, RegistrySource, catalog};
use crate::oci::{Digest, Repository};
use crate::ops::promote::{Gate, Promotion, State, Stop};
use crate::packages::Inventory;
use crate::policy::{Reason, ReasonCode};
use crate::sbom::{self, SbomSubject};
use crate::scanner::{ScanError, ScanErrorKind};

/// What was found out about one platform image.
#[derive(Debug, Clone)]
pub(in crate::ops::promote) struct Proof {
    pub(in crate::ops::promote) node: ImageNode,
    pub(in crate::ops::promote) inventory: Inventory,
    pub(in crate::ops::promote) sbom: Value,
    pub(in crate::ops::promote) scan: Scan,
}

/// Per candidate, in the order of the request; per platform image, by digest.
pub(in crate::ops::promote) type Proofs = Vec<BTreeMap<Digest, Proof>>;

impl Gate<'_> {
    pub(in crate::ops::promote) async fn prove(
        &self,
        result: &mut Promotion,
        trees: &[ImageTree],
    ) -> Result<Proofs, Stop> {
        self.ports.reporter.begin("sbom");
        let inventories = self.catalog(result, trees).await?;
        let packages: usize = inventories.iter().flat_map(|m| m.values()).map(|i| i.packages.len()).sum();
        let platforms: usize = inventories.iter().map(BTreeMap::len).sum();
        self.step("sbom", &format!("{packages} packages in {platforms} platform images"));
        self.ports.reporter.begin("scan");
        let mut proofs = Vec::new();
        for ((image, tree), inventories) in self.request.images.iter().zip(trees).zip(inventories) {
            let repository = &image.reference.repository;
            let each = tree.images().into_iter().filter_map(|node| {
                let inventory = inventories.get(&node.digest)?.clone();
                Some(self.prove_one(repository, node, inventory))
            });
            let scanned = try_join_all(each).await.map_err(|error| self.scan_failed(result, error))?;
            for (proof, bytes) in &scanned {
                let name = format!("{}-{}", repository.path(), file_platform(proof));
                result.save(format!("{name}.cdx.json"), bytes.clone());
                result.save(format!("{name}.scan.json"), serde_json::to_vec_pretty(&proof.scan).unwrap_or_default());
            }
            proofs.push(scanned.into_iter().map(|(proof, _)| (proof.node.digest.clone(), proof)).collect());
        }
        let scans: Vec<&Proof> = proofs.iter().flat_map(|p: &BTreeMap<Digest, Proof>| p.values()).collect();
        let findings: usize = scans.iter().map(|proof| proof.scan.findings.len()).sum();
        let by = scans
            .first()
            .map(|p| format!("{} {} ({})", p.scan.scanner.name, p.scan.scanner.version, p.scan.scanner.isolation));
        self.step("scan", &format!("{findings} findings, {}", by.unwrap_or_default()));
        Ok(proofs)
    }

    async fn catalog(
        &self,
        result: &mut Promotion,
        trees: &[ImageTree],
    ) -> Result<Vec<BTreeMap<Digest, Inventory>>, Stop> {
        let mut inventories = Vec::new();
        for (image, tree) in self.request.images.iter().zip(trees) {
            // No cache: what is attested was read in this run.
            let options = crate::image::Options::default();
            let source = RegistrySource::new(self.registry(), image.reference.repository.clone());
            let found = catalog(std::sync::Arc::new(source), &tree.images(), options).await.map_err(|error| {
                use crate::image::ErrorKind as K;
                let state = if error.kind() == K::Refuted { State::Refuted } else { State::Unknown };
                result.stop(state, vec![error.reason()])
            })?;
            inventories.push(found);
        }
        Ok(inventories)
    }

    async fn prove_one(
        &self,
        repository: &Repository,
        node: ImageNode,
        inventory: Inventory,
    ) -> Result<(Proof, Vec<u8>), ScanError> {
        let subject = sbom_subject(Some(repository.clone()), &node);
        let unusable = |why: String| ScanError::Document { why };
        let bytes = sbom::document(&inventory, &subject, (self.request.clock)(), Uuid::new_v4())
            .map_err(|e| unusable(e.to_string()))?;
        let scan = self.ports.scanner.scan(&bytes).await?;
        let sbom = serde_json::from_slice(&bytes).map_err(|e| unusable(e.to_string()))?;
        Ok((Proof { node, inventory, sbom, scan }, bytes))
    }

    fn scan_failed(&self, result: &mut Promotion, error: ScanError) -> Stop {
        match error.kind() {
            ScanErrorKind::Setup => {
                Stop::Setup { code: "scanner", message: chain(&error), help: error.help().to_owned() }
            }
            ScanErrorKind::NotAccepted => {
                let reason = Reason::new(ReasonCode::ScannerNotAccepted, error.to_string()).with_help(error.help());
                result.stop(State::Refuted, vec![reason])
            }
            ScanErrorKind::Undecided | ScanErrorKind::Document => {
                let reason = Reason::new(ReasonCode::ScanFailed, chain(&error)).with_help(error.help());
                result.stop(State::Unknown, vec![reason])
            }
        }
    }
}

/// The description of a platform image that its SBOM carries.
#[must_use]
pub fn sbom_subject(repository: Option<Repository>, node: &ImageNode) -> SbomSubject {
    SbomSubject {
        repository,
        digest: node.digest.clone(),
        platform: node.platform.clone(),
        config: node.facts.config.digest.clone(),
        diff_ids: node.facts.diff_ids.clone(),
        labels: node.facts.labels.clone(),
        size: node.facts.compressed_size,
        artifact_type: None,
    }
}

fn file_platform(proof: &Proof) -> String {
    match &proof.node.platform {
        Some(platform) => platform.to_string(),
        None => proof.node.digest.hex().chars().take(12).collect(),
    }
}
