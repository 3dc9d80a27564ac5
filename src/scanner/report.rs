//! Trivy's JSON report (schema 2) → our findings. Nothing of the foreign shape leaves this file.
//!
//! Names, versions and purls come from *our* document, found by `BOMRef`; the report's own are ignored. A finding for a
//! component we did not send is an error: then the report is not about our document.

use serde::Deserialize;

use crate::evidence::scan::{Finding, Severity};
use crate::scanner::ScanError;
use crate::scanner::document::Document;

/// The report's schema since Trivy 0.20.
const SCHEMA: u32 = 2;

/// More findings than this are no report about one image: the worst real image we know has about 10,000.
const MAX_FINDINGS: usize = 1_000_000;

/// Identifiers longer than this are garbage (`CVE-2026-123456`, `GHSA-xxxx-xxxx-xxxx`, `RHSA-2026:12345`).
const MAX_TEXT: usize = 1024;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    schema_version: u32,
    trivy: Tool,
    artifact_type: String,
    #[serde(default)]
    results: Option<Vec<ScanResult>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tool {
    version: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScanResult {
    #[serde(default)]
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Vulnerability {
    #[serde(rename = "VulnerabilityID")]
    id: String,
    #[serde(default)]
    pkg_identifier: Identifier,
    #[serde(default)]
    fixed_version: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    severity: String,
}

#[derive(Debug, Default, Deserialize)]
struct Identifier {
    #[serde(rename = "BOMRef", default)]
    reference: String,
}

/// What a report says about our document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Trivy's own version.
    pub(crate) version: String,
    /// Sorted, without duplicates, without the canaries.
    pub(crate) findings: Vec<Finding>,
}

/// Maps a report back onto the document that was scanned. The caller has capped `json`.
pub(crate) fn read(json: &[u8], document: &Document) -> Result<Outcome, ScanError> {
    let report: Report = serde_json::from_slice(json).map_err(|error| garbage(error.to_string()))?;
    if report.schema_version != SCHEMA {
        return Err(garbage(format!("schema version {SCHEMA} expected, found {}", report.schema_version)));
    }
    if report.artifact_type != "cyclonedx" {
        return Err(garbage(format!("a report about a {:.40}, not about our document", report.artifact_type)));
    }
    let vulnerabilities = report.results.into_iter().flatten().filter_map(|result| result.vulnerabilities).flatten();
    let mut findings = Vec::new();
    let mut canary_found = false;
    for vulnerability in vulnerabilities {
        let reference = &vulnerability.pkg_identifier.reference;
        if let Some(canary) = document.canaries.iter().find(|canary| canary.reference == *reference) {
            canary_found |= canary.expected.contains(&vulnerability.id.as_str());
            continue;
        }
        findings.push(finding(vulnerability, document)?);
        if findings.len() > MAX_FINDINGS {
            return Err(garbage(format!("more than {MAX_FINDINGS} findings")));
        }
    }
    if !canary_found {
        let expected: Vec<&str> = document.canaries.iter().map(|canary| canary.purl.as_str()).collect();
        return Err(ScanError::CanaryNotFound { expected: expected.join(", ") });
    }
    findings.sort();
    findings.dedup();
    Ok(Outcome { version: report.trivy.version, findings })
}

/// The version in the output of `trivy --version --format=json`.
pub(crate) fn version(json: &[u8]) -> Result<String, ScanError> {
    let tool: Tool = serde_json::from_slice(json).map_err(|error| garbage(error.to_string()))?;
    Ok(tool.version)
}

fn finding(vulnerability: Vulnerability, document: &Document) -> Result<Finding, ScanError> {
    let Vulnerability { id, pkg_identifier, fixed_version, status, severity } = vulnerability;
    if id.is_empty() || [&id, &fixed_version, &status].into_iter().any(|text| text.len() > MAX_TEXT) {
        return Err(garbage(format!("a finding with an empty or overlong field: {id:.40}")));
    }
    let Some(component) = document.components.get(&pkg_identifier.reference) else {
        return Err(ScanError::UnmappedFinding { id, reference: pkg_identifier.reference.chars().take(200).collect() });
    };
    Ok(Finding {
        id,
        package: component.name.clone(),
        purl: component.purl.clone(),
        installed: component.version.clone(),
        fixed: Some(fixed_version).filter(|version| !version.is_empty()),
        severity: severity_of(&severity),
        status: if status.is_empty() { "unknown".to_owned() } else { status },
    })
}

fn severity_of(text: &str) -> Severity {
    match text {
        "LOW" => Severity::Low,
        "MEDIUM" => Severity::Medium,
        "HIGH" => Severity::High,
        "CRITICAL" => Severity::Critical,
        _ => Severity::Unknown,
    }
}

fn garbage(why: String) -> ScanError {
    ScanError::Garbage { why }
}

#[cfg(test)]
mod tests;
