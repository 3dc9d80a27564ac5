//! `countersign promote`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::candidates;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::output::{Outcome, document, tree};
use crate::cli::{git, github, operation, progress, saved_plan, wiring};
use crate::config::{Config, ImageConfig, Transparency};
use crate::evidence::Moment;
use crate::identity::ExpectedIdentities;
use crate::oci::{DigestReference, Repository, Tag};
use crate::ops::gather::{Rules, UnclearApi};
use crate::ops::look::{Failures, Look};
use crate::ops::promote::{Adopt, CandidateImage, Ports, Promotion, Request, State, promote, recorded};
use crate::policy::input::{ProvenanceSettings, Requirements, Settings};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::record::GitSource;
use crate::promotion::{Candidate, TagMove, Version};
use crate::registry::StopSignal;
use crate::sigstore::WorkloadToken;
use crate::tags::{Build, GitContext, Target};

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  countersign promote ghcr.io/acme/app@sha256:… --version 1.2.3\n  countersign promote --digests metadata.json --version 1.2.3 --save-plan plan.json\n  countersign promote --confirm-plan plan.json"
)]
pub(crate) struct PromoteArgs {
    /// What the build produced, by digest
    #[arg(value_name = "REPO@DIGEST")]
    candidates: Vec<String>,
    /// File with candidates: JSON map repository→digest, buildx metadata file, or lines
    #[arg(long, value_name = "FILE")]
    digests: Option<PathBuf>,
    /// The version to release; without it a branch, commit or pull-request build
    #[arg(long, value_name = "V")]
    pub(crate) version: Option<Version>,
    /// Git ref of the build [default: CI environment, identity token, git]
    #[arg(long, value_name = "REF")]
    pub(crate) git_ref: Option<String>,
    /// Full commit of the build [default: CI environment, identity token, git]
    #[arg(long, value_name = "SHA")]
    pub(crate) sha: Option<String>,
    /// Show what would happen and stop before the first write
    #[arg(long)]
    plan: bool,
    /// Write the plan to a file and stop before the first write
    #[arg(long, value_name = "FILE", conflicts_with = "confirm_plan")]
    save_plan: Option<PathBuf>,
    /// Carry out exactly this saved plan, or end with exit 8 where the world has moved
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    confirm_plan: Option<PathBuf>,
    /// Take the digests from the record behind --version, for a release that was begun
    #[arg(long, requires = "version", conflicts_with_all = ["candidates", "digests"])]
    resume: bool,
    /// Take over channels and higher version tags that have no record; TAG=VERSION where labels do not tell
    #[arg(long, value_name = "TAG=VERSION", num_args = 0..=1, action = clap::ArgAction::Append, default_missing_value = "")]
    adopt: Vec<String>,
    /// Save SBOM, report, policy input and decision here, also on deny
    #[arg(long, value_name = "DIR")]
    evidence_dir: Option<PathBuf>,
}

pub(crate) fn blank(args: &PromoteArgs) -> (&'static str, Value) {
    let version = args.version.as_ref().map(ToString::to_string);
    ("Promotion", json!({ "version": version, "decision": "undecided", "state": "unknown", "images": [] }))
}

pub(crate) async fn run(shared: &Shared, args: &PromoteArgs) -> Result<Outcome, Failure> {
    let confirmed = args.confirm_plan.as_deref().map(saved_plan::read).transpose()?;
    let given = || candidates::read(&args.candidates, args.digests.as_deref());
    let (args, references) = match &confirmed {
        Some(plan) => {
            let named = !args.candidates.is_empty() || args.digests.is_some();
            saved_plan::confirmed(args, plan, named.then(given).transpose()?)?
        }
        None if args.resume => (args.clone(), resumed(shared, args).await?),
        None => (args.clone(), given()?),
    };
    let args = &args;
    let repositories: Vec<&Repository> = references.iter().map(|r| &r.repository).collect();
    let app = wiring::app(shared, &repositories)?;
    let images = configured(&app.config, &references)?;
    let identities = wiring::expected(&app, None)?;
    let trust_root = app.trust_root().await?;
    let signer = app.signer(trust_root.clone()).await?;
    operation::check_layouts(&app, &signer)?;
    let scanner = app.scanner()?;
    let token = peek_token(&signer).await;
    let (git, build) = release(args, &app, token.as_ref()).await?;
    check_token(&app, &git, token.as_ref())?;
    let identities = built_from(identities, &git, &app.config)?;
    let context = GitContext { git_ref: git.git_ref.clone(), commit: git.commit.clone(), target: Target::default() };
    let allowed = app.config.preset.tags(&build, &context).map_err(|e| Failure::usage(e.to_string()))?;
    let images = references.iter().zip(images).map(|(reference, image)| CandidateImage {
        reference: reference.clone(),
        allowed: allowed.clone(),
        require: requirements(&app.config, image),
    });
    let request = Request {
        candidate: Candidate { version: build.version().cloned(), git, images: references.clone() },
        images: images.collect(),
        source_repository: github::repository(&identities).map(|repository| repository.uri().to_owned()),
        identities,
        trust_root,
        policy: app.policy()?,
        settings: settings(shared, &app.config),
        adopt: adopt(&args.adopt)?,
        layouts: app.config.signatures,
        plan_only: args.plan || args.save_plan.is_some(),
        confirmed,
        run: app.environment.run_url.clone().unwrap_or_default(),
        clock: App::clock(),
    };
    let ports = Ports {
        registry: app.registry()?,
        fresh: app.fresh(),
        signer: Arc::new(signer),
        scanner: Arc::new(scanner),
        history: github::history(&app, &request.identities)?,
        reporter: progress::reporter(shared),
        archive: match request.settings.provenance.require {
            true => github::archive(&app, &request.identities)?,
            false => None,
        },
    };
    let outcome = with_signals(&app.stop, promote(&ports, &request)).await?;
    let mut promotion = outcome.map_err(operation::stopped)?;
    if app.stop.is_requested() && matches!(promotion.state, State::Unknown | State::Incomplete) {
        promotion.reasons.push(Reason::new(ReasonCode::Interrupted, "a signal stopped this run"));
    }
    let trees = promotion.images.iter().filter_map(|image| image.tree.as_ref());
    let signers: Vec<_> = trees.flat_map(|tree| tree.signers()).collect();
    promotion.warnings.extend(crate::identity::warnings(&request.identities, &signers));
    if let Some(path) = &args.save_plan {
        saved_plan::save(path, &promotion)?;
    }
    if let Some(folder) = &args.evidence_dir {
        save(folder, &promotion)?;
    }
    Ok(Outcome {
        exit: exit(&promotion),
        document: promotion_document(&promotion)?,
        text: text(&promotion, args.plan || args.save_plan.is_some()),
    })
}

/// Provenance has to name the commit and the ref of this release.
fn built_from(identities: ExpectedIdentities, git: &GitSource, config: &Config) -> Result<ExpectedIdentities, Failure> {
    if config.policy.require_provenance && git.commit.is_none() {
        let message = "policy.provenance.require needs the commit of this release: nobody said which it is";
        return Err(Failure::usage(message).help("pass --sha"));
    }
    let commit = git.commit.as_ref().map(ToString::to_string);
    Ok(identities.built_from(commit, Some(git.git_ref.to_string())))
}

/// The release that a record of this version names. Only configured repositories are looked at.
async fn resumed(shared: &Shared, args: &PromoteArgs) -> Result<Vec<DigestReference>, Failure> {
    let app = wiring::app(shared, &[])?;
    let repositories: Vec<Repository> = app.config.images.iter().map(|image| image.repository.clone()).collect();
    let (Some(version), false) = (&args.version, repositories.is_empty()) else {
        return Err(Failure::usage("--resume needs --version and images in the configuration"));
    };
    let (expected, trust_root, registry) = (wiring::expected(&app, None)?, app.trust_root().await?, app.registry()?);
    let moment = Moment::now(App::clock()());
    let rules = Rules { trust_root: &trust_root, expected: &expected, moment, unclear_api: UnclearApi::IsNoApi };
    let failures = Failures::default();
    let look = Look { registry: &registry, rules, failures: &failures };
    recorded(&look, &repositories, version).await.map_err(|reason| {
        let exit = wiring::unknown_exit(std::slice::from_ref(&reason));
        Failure::new(exit, reason.code.as_str(), reason.message).help(reason.help)
    })
}

/// The first SIGINT or SIGTERM lets the requests in flight end and begins no further one, so that the run stops by
/// itself and says what stands; the second ends it at once.
pub(crate) async fn with_signals<T>(stop: &StopSignal, work: impl Future<Output = T>) -> Result<T, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let handler = |kind| signal(kind).map_err(|e| Failure::new(Exit::Internal, "signals", e.to_string()));
    let (mut interrupt, mut terminate) = (handler(SignalKind::interrupt())?, handler(SignalKind::terminate())?);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.is_requested() {
            return Err(Failure::new(Exit::Unknown, "interrupted", "stopped at once; what was written so far stands")
                .help(ReasonCode::Interrupted.help()));
        }
        stop.request();
    }
}

/// Every candidate must be configured, every configured image must be a candidate, each once. Without images in the
/// configuration the candidates are the release.
fn configured<'c>(config: &'c Config, references: &[DigestReference]) -> Result<Vec<Option<&'c ImageConfig>>, Failure> {
    if config.images.is_empty() {
        return Ok(vec![None; references.len()]);
    }
    for image in &config.images {
        if !references.iter().any(|reference| reference.repository == image.repository) {
            let message = format!("{} is configured, but no digest of it was given", image.repository);
            return Err(
                Failure::usage(message).help("one release is all images of the configuration: pass every digest")
            );
        }
    }
    references
        .iter()
        .map(|reference| {
            let found = config.images.iter().find(|image| image.repository == reference.repository);
            found.map(Some).ok_or_else(|| {
                Failure::usage(format!("{} is not configured", reference.repository))
                    .help("add it to images in countersign.yaml")
            })
        })
        .collect()
}

/// The token is looked at early for its git context only; signing fetches a fresh one and reports what is wrong with it.
async fn peek_token(signer: &crate::sigstore::KeylessSigner) -> Option<WorkloadToken> {
    signer.token().await.ok()
}

/// What is released, from where: flags, then CI, then the identity token, then git.
async fn release(args: &PromoteArgs, app: &App, token: Option<&WorkloadToken>) -> Result<(GitSource, Build), Failure> {
    let checkout = git::head().await;
    let from_token = |claim: Option<&str>| claim.map(str::to_owned);
    let git_ref = args
        .git_ref
        .clone()
        .or_else(|| app.environment.git_ref.clone())
        .or_else(|| from_token(token.and_then(WorkloadToken::git_ref)))
        .or_else(|| args.version.as_ref().map(|version| format!("refs/tags/v{version}")))
        .or_else(|| checkout.as_ref().and_then(|head| head.git_ref.clone()))
        .ok_or_else(|| {
            Failure::usage("no version and no git ref: what is this build?")
                .help("pass --version, or --git-ref and --sha")
        })?;
    let commit = args
        .sha
        .clone()
        .or_else(|| app.environment.git_sha.clone())
        .or_else(|| from_token(token.and_then(WorkloadToken::sha)))
        .or_else(|| checkout.map(|head| head.commit));
    let usage = |e: &dyn std::fmt::Display| Failure::usage(e.to_string());
    let git = GitSource {
        git_ref: git_ref.parse().map_err(|e| usage(&e))?,
        commit: commit.map(|commit| commit.parse()).transpose().map_err(|e| usage(&e))?,
    };
    let context = GitContext { git_ref: git.git_ref.clone(), commit: git.commit.clone(), target: Target::default() };
    let build = Build::of(args.version.as_ref(), &context).map_err(|e| usage(&e))?;
    Ok((git, build))
}

/// Ref and commit must be those of the token's run, and a private repository's name needs consent for a public log.
fn check_token(app: &App, git: &GitSource, token: Option<&WorkloadToken>) -> Result<(), Failure> {
    let Some(token) = token else { return Ok(()) };
    let (git_ref, sha) = (git.git_ref.to_string(), git.commit.as_ref().map(ToString::to_string));
    token.agrees_with(Some(&git_ref), sha.as_deref()).map_err(|mismatch| {
        let message = format!(
            "{} of this release is {}, but the identity token is for {}",
            mismatch.claim, mismatch.expected, mismatch.found
        );
        Failure::usage(message).help("run the gate in the workflow run of that git tag")
    })?;
    let public_log = app.uses_public_instance();
    if public_log && token.is_private_repository() && app.config.transparency == Transparency::Auto {
        return Err(Failure::usage("this repository is private, and signing would put its name into a public log")
            .help("set transparency: public in countersign.yaml, or use another Sigstore instance"));
    }
    Ok(())
}

fn requirements(config: &Config, image: Option<&ImageConfig>) -> Requirements {
    Requirements {
        platforms: image.map(|i| i.platforms.clone()).unwrap_or_default(),
        max_compressed_size: image.and_then(|i| i.max_compressed_size),
        non_root: image.is_some_and(|i| i.non_root),
        labels: config.policy.required_labels.clone(),
    }
}

pub(crate) fn settings(shared: &Shared, config: &Config) -> Settings {
    let policy = &config.policy;
    Settings {
        deny: policy.deny.clone(),
        warn: policy.warn.clone(),
        fixable_only: policy.fixable_only,
        max_age_seconds: policy.max_scan_age.seconds(),
        max_database_age_seconds: shared.max_db_age.unwrap_or(policy.max_db_age).seconds(),
        provenance: ProvenanceSettings {
            require: policy.require_provenance,
            builders: policy.builders.iter().map(ToString::to_string).collect(),
        },
    }
}

fn adopt(values: &[String]) -> Result<Adopt, Failure> {
    if values.is_empty() {
        return Ok(Adopt::None);
    }
    let mut versions: BTreeMap<Tag, Version> = BTreeMap::new();
    for value in values.iter().filter(|value| !value.is_empty()) {
        let refuse = || Failure::usage(format!("--adopt: expected TAG=VERSION, found {value:?}"));
        let (tag, version) = value.split_once('=').ok_or_else(refuse)?;
        versions.insert(tag.parse().map_err(|_| refuse())?, version.parse().map_err(|_| refuse())?);
    }
    Ok(if versions.is_empty() { Adopt::ByLabel } else { Adopt::Named(versions) })
}

fn save(folder: &Path, promotion: &Promotion) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::usage(format!("cannot write {}: {e}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    for file in &promotion.evidence {
        std::fs::write(folder.join(&file.name), &file.bytes).map_err(failed)?;
    }
    Ok(())
}

fn exit(promotion: &Promotion) -> Exit {
    match promotion.state {
        State::Planned | State::Promoted | State::Unchanged => Exit::Ok,
        State::Denied => Exit::Denied,
        State::Conflict => Exit::Conflict,
        State::Refuted => Exit::Refuted,
        State::Unknown => wiring::unknown_exit(&promotion.reasons),
        State::Incomplete => wiring::incomplete_exit(&promotion.reasons),
    }
}

/// The fixed fields of product.md, `Promotion`.
fn promotion_document(promotion: &Promotion) -> Result<Value, Failure> {
    let images: Vec<Value> = promotion
        .images
        .iter()
        .map(|image| {
            let nodes = image.tree.as_ref().map_or_else(|| json!([]), |tree| json!(tree.nodes()));
            json!({
                "repository": image.reference.repository.to_string(),
                "digest": image.reference.digest.to_string(),
                "nodes": nodes,
                "moves": image.moves.iter().map(move_document).collect::<Vec<_>>(),
            })
        })
        .collect();
    document(
        "Promotion",
        json!({
            "version": promotion.version.as_ref().map(ToString::to_string),
            "decision": promotion.decision,
            "state": promotion.state,
            "images": images,
            "reasons": promotion.reasons,
            "warnings": promotion.warnings,
        }),
    )
}

fn move_document(line: &TagMove) -> Value {
    json!({
        "tag": line.tag.to_string(),
        "class": line.class.as_str(),
        "action": line.action.as_str(),
        "from": line.from.as_ref().map(ToString::to_string),
        "to": line.to.to_string(),
        "why": line.why.as_ref().map(|why| why.message.clone()).unwrap_or_default(),
    })
}

/// Moves that will not be made are shown to whoever asked for the plan.
fn text(promotion: &Promotion, planning: bool) -> String {
    let stopped = matches!(promotion.state, State::Denied | State::Refuted | State::Unknown);
    let mut text = String::new();
    for image in promotion.images.iter().filter(|image| !image.moves.is_empty() && (planning || !stopped)) {
        text.push_str(&format!("{}\n{}\n", image.reference, plan_table(&image.moves)));
    }
    let mut said = tree::Reasons::default();
    text.push_str(&said.lines("", "warning ", &promotion.warnings));
    text.push_str(&said.lines("", "", &promotion.reasons));
    let (word, meaning) = last_line(promotion.state);
    let version = promotion.version.as_ref().map(|v| format!(" {v}")).unwrap_or_default();
    text.push_str(&format!("{word}{version}{meaning}\n"));
    text
}

/// The state's word, and what it means for the reader.
fn last_line(state: State) -> (&'static str, &'static str) {
    match state {
        State::Planned => ("planned", ": nothing was written"),
        State::Promoted => ("promoted", ""),
        State::Unchanged => ("unchanged", ": everything was in place"),
        State::Denied => ("denied", ": this run wrote nothing"),
        State::Conflict => ("conflict", ""),
        State::Refuted => ("refuted", ""),
        State::Unknown => ("unknown", ": the same command may be run again"),
        State::Incomplete => ("incomplete", ": the same command finishes it"),
    }
}

/// Like Terraform's plan: a sign, the tag, what happens.
fn plan_table(moves: &[TagMove]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for line in moves {
        let short =
            |d: &Option<crate::oci::Digest>| d.as_ref().map_or_else(|| "–".to_owned(), crate::oci::Digest::short);
        use crate::promotion::Action as A;
        let what = match line.action {
            A::Create => format!("create → {}", line.to.short()),
            A::Move => format!("move from {} to {}", short(&line.from), line.to.short()),
            A::Keep => format!("keep {}", line.to.short()),
            A::Skip => format!("skip, stays {}", short(&line.from)),
            A::Conflict => format!("conflict, points to {}", short(&line.from)),
        };
        let why = line.why.as_ref().map(|why| why.message.clone()).unwrap_or_default();
        table.add_row([line.action.sign().to_string(), line.tag.to_string(), what, why]);
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
