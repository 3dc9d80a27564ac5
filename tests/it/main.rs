//! The one integration target. One module per capability; `support` holds the shared language of the tests.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
#![expect(clippy::print_stderr, reason = "skipped tests say so loudly")]

/// Which folder may use which: the arrows of docs/architecture.md.
mod architecture;
/// Bundles with exactly one defect.
mod attacks;
/// Tags against records.
mod audit;
/// One clear coded error each, and nothing written.
mod bad_input;
/// Channels go forward only.
mod channels;
/// Texts for people.
mod cli_text;
/// The ways around the gate do not compile.
mod compile_fail;
/// The verification cases of sigstore-conformance.
mod conformance;
/// Trees with their evidence to another registry.
mod copy;
/// The client is killed; the rerun finishes.
mod crash;
mod crash_matrix;
/// Withdrawals and rollbacks are killed; the rerun finishes.
mod crash_operations;
/// CycloneDX: the same bytes for the same image, and valid.
mod cyclonedx;
/// Bundles of real Sigstore software, verified offline.
mod evidence;
/// Somebody else moves tags.
mod foreign;
/// Foreign bytes of every kind, broken at random.
mod fuzz;
/// Seeds of the fuzz targets.
mod fuzz_seeds;
/// Build provenance and history that only GitHub has.
mod github;
/// What tags pointed to.
mod history;
/// Images made to mislead: the right outcome, within bounds.
mod hostile;
/// Trees and layers of images, good and hostile.
mod image;
/// Releases that meet.
mod interleavings;
/// The invariants, from outside.
mod invariants;
/// Broad identities are reported, refusals explained.
mod layer_cache;
/// Every layout of evidence, read and written.
mod layouts;
/// `signatures: legacy` and `both`.
mod legacy_signing;

mod lint;
/// Evidence from a folder instead of a registry.
mod offline;
/// Plans that are saved and confirmed, and assembled indexes.
mod plans;
/// Rego unit tests of `policies/`, through the engine that decides.
mod policies;
/// The whole gate as CI sees it.
mod promote;
/// Build provenance: who may claim it, about what, and what becomes of it.
mod provenance;
/// docs/reference/ against the program.
mod reference;
/// The registry client over real HTTP, against the sandbox and, on demand, real registries.
mod registry;
/// Tags to verified digests.
mod requests;
mod resolve;
/// The keep-set.
mod retain;
/// One channel goes back and is held.
mod rollback;
/// Layers to inventories and SBOMs.
mod sbom;
/// The real Trivy and misbehaving ones, behind the launcher.
mod scanner;
/// Keyless signing against the sandbox's Sigstore.
mod signing;
/// Thousands of tags; only when asked for.
mod sizes;
/// The shared language of the black-box tests.
mod support;
/// Evidence of a whole release, from bundles to `VerifiedEvidence`.
mod tree;
/// Verdicts on what is attached.
mod verify;
/// A version is withdrawn.
mod withdraw;
