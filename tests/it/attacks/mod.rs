//! The attack corpus: bundles with exactly one defect each, made with the sandbox's own CA, logs and timestamp authorities.
//!
//! Every case says what it must end with; the advisory whose class it is stands in its name. The table and its sum are
//! printed (`cargo test --test it attacks -- --nocapture`). Whatever a registry can do instead is in `registry`.

/// Shape, bounds and envelope.
mod bundle;
/// Chain, form and SCT of the signing certificate.
mod certificate;
/// Who signed.
mod identity;
/// Rekor v1.
mod log_v1;
/// Rekor v2.
mod log_v2;
/// What could not be looked at is unknown.
mod registry;
/// What is said, and about what.
mod statement;
/// Trusted times and the windows of those who vouch.
mod time;

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::evidence::{Moment, PredicateType, Refusal, Statement, TrustRoot, Unverified, verify};
use countersign::identity::{ExpectedIdentities, ExpectedIdentity, GitHubExpectation, NamePattern};
use countersign::oci::Digest;
use countersign::policy::ReasonCode;
use countersign_sandbox::sigstore::{
    BundleOptions, CertificateOptions, Claims, LogOptions, LogV1Options, Options, Sigstore, TimestampOptions, Windows,
};
use jiff::Timestamp;
use serde_json::Value;

const EMAIL: &str = "releaser@example.com";
const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;

/// What a case must end with.
type Expected = Result<(), ReasonCode>;
/// Changes the good trial into the case.
type Defect = fn(&mut Trial<'_>);

struct Case {
    name: &'static str,
    expected: Expected,
    defect: Defect,
}

fn accepted(name: &'static str, defect: Defect) -> Case {
    Case { name, expected: Ok(()), defect }
}

fn refused(name: &'static str, code: ReasonCode, defect: Defect) -> Case {
    Case { name, expected: Err(code), defect }
}

/// One verification: everything that goes into it, good by default.
struct Trial<'a> {
    sigstore: &'a Sigstore,
    claims: Claims,
    statement: Vec<u8>,
    certificate: CertificateOptions,
    bundle: BundleOptions,
    /// Changes the finished bundle; gets another good bundle of the same signer, about another image.
    edit: Option<fn(&mut Value, &Value)>,
    /// Replaces the finished bundle's bytes.
    bytes: Option<fn(Vec<u8>) -> Vec<u8>>,
    /// Changes the trust root.
    edit_root: Option<fn(&mut Value)>,
    /// Another set of services.
    options: Option<Options>,
    expected: fn(&Sigstore) -> ExpectedIdentity,
    wanted: PredicateType,
    at: Option<Timestamp>,
}

impl<'a> Trial<'a> {
    fn new(sigstore: &'a Sigstore) -> Self {
        Self {
            sigstore,
            claims: sigstore.email_claims(EMAIL),
            statement: Statement::signature(subject()).to_bytes(),
            certificate: CertificateOptions::default(),
            bundle: BundleOptions::default(),
            edit: None,
            bytes: None,
            edit_root: None,
            options: None,
            expected: by_email,
            wanted: PredicateType::SIGNATURE,
            at: None,
        }
    }

    fn log(&mut self) -> &mut LogOptions {
        self.bundle.log.as_mut().unwrap()
    }

    fn log_v1(&mut self) -> &mut LogV1Options {
        self.bundle.log_v1.as_mut().unwrap()
    }

    fn timestamp(&mut self) -> &mut TimestampOptions {
        self.bundle.timestamp.as_mut().unwrap()
    }

    /// The statement as JSON, changed.
    fn statement(&mut self, change: impl FnOnce(&mut Value)) {
        let mut json: Value = serde_json::from_slice(&self.statement).unwrap();
        change(&mut json);
        self.statement = json.to_string().into_bytes();
    }

    /// These windows in the trust root.
    fn windows(&mut self, windows: Windows) {
        self.options = Some(Options { windows, ..Options::default() });
    }

    /// A GitHub Actions run of `repository` at `git_ref`, and the expectation for it.
    fn github(&mut self, claims: &[(&str, &str)], expected: fn(&Sigstore) -> ExpectedIdentity) {
        self.claims = self.sigstore.ci_claims(claims);
        self.expected = expected;
    }

    fn outcome(self) -> Result<(), Refusal> {
        let own = self.options.clone().map(start);
        let sigstore = own.as_ref().unwrap_or(self.sigstore);
        // Claims name their issuer, whose address differs from one Sigstore to the next.
        let mut claims = self.claims.clone();
        if own.is_some() {
            claims["iss"] = sigstore.email_issuer().into();
        }
        let sign = |statement: &[u8]| {
            let bundle = sigstore.sign_bundle(statement, &claims, &self.certificate, &self.bundle).unwrap();
            serde_json::from_str::<Value>(&bundle).unwrap()
        };
        let mut bytes = match self.edit {
            None => sign(&self.statement).to_string().into_bytes(),
            Some(edit) => {
                let donor = sign(&Statement::signature(Digest::of(b"another image")).to_bytes());
                let mut bundle = sign(&self.statement);
                edit(&mut bundle, &donor);
                bundle.to_string().into_bytes()
            }
        };
        if let Some(replace) = self.bytes {
            bytes = replace(bytes);
        }
        let mut root: Value = serde_json::from_str(&sigstore.trusted_root_json()).unwrap();
        if let Some(edit) = self.edit_root {
            edit(&mut root);
        }
        let root = TrustRoot::from_json(root.to_string().as_bytes()).unwrap();
        let expected = ExpectedIdentities::one((self.expected)(sigstore));
        let moment = Moment { now: now(), at: self.at };
        let verified = verify(&Unverified::from_bytes(&bytes)?, &subject(), &expected, &root, moment)?;
        verified.require_type(&self.wanted)
    }
}

fn start(options: Options) -> Sigstore {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(Sigstore::start(options))).unwrap()
}

fn subject() -> Digest {
    Digest::of(b"image")
}

fn now() -> Timestamp {
    SystemTime::now().try_into().unwrap()
}

fn oid(text: &str) -> x509_cert::der::oid::ObjectIdentifier {
    text.parse().unwrap()
}

fn by_email(sigstore: &Sigstore) -> ExpectedIdentity {
    let name = NamePattern::exact(EMAIL).unwrap();
    ExpectedIdentity::Name { issuer: sigstore.email_issuer().parse().unwrap(), name }
}

fn by_workflow(sigstore: &Sigstore) -> ExpectedIdentity {
    let github = GitHubExpectation {
        repository: "example-org/app".parse().unwrap(),
        workflow: Some(".github/workflows/release.yml".parse().unwrap()),
        git_ref: Some("refs/tags/v*".parse().unwrap()),
    };
    ExpectedIdentity::GitHub { issuer: sigstore.ci_issuer().parse().unwrap(), github }
}

/// The bundle's only log entry.
fn entry(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]["tlogEntries"][0]
}

/// Turns one bit of a base64 field.
fn flip(value: &mut Value) {
    let mut bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    *value = STANDARD.encode(bytes).into();
}

/// Runs the cases of one topic, prints them as a table, and fails if any ended otherwise.
fn run(topic: &str, base: fn(&mut Trial<'_>), cases: &[Case]) {
    let sigstore = start(Options::default());
    let mut wrong = Vec::new();
    let (mut controls, mut attacks) = (0, 0);
    for case in cases {
        let mut trial = Trial::new(&sigstore);
        base(&mut trial);
        (case.defect)(&mut trial);
        let outcome = trial.outcome();
        let said = outcome.as_ref().err().map(|refusal| refusal.message.clone()).unwrap_or_default();
        let found = outcome.map_err(|refusal| refusal.code);
        let text = |result: &Expected| result.map_or_else(|code| code.to_string(), |()| "accepted".to_owned());
        eprintln!("{topic:11} | {:72} | {:26} | {:26} | {said:.100}", case.name, text(&case.expected), text(&found));
        match case.expected {
            Ok(()) => controls += 1,
            Err(_) => attacks += 1,
        }
        if found != case.expected {
            wrong.push(format!("{}: expected {}, found {}: {said}", case.name, text(&case.expected), text(&found)));
        }
    }
    eprintln!("{topic}: {attacks} attacks, {controls} controls, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn plain(_: &mut Trial<'_>) {}

/// The whole corpus counted, and every code a bundle can be refused with given by some case of it.
#[test]
fn the_corpus_is_large_enough_and_leaves_no_reason_code_out() {
    let topics = [
        bundle::cases(),
        certificate::cases(),
        identity::persons(),
        identity::workflows(),
        identity::lookalikes(),
        log_v1::cases(),
        log_v2::cases(),
        log_v2::beside_a_second_log(),
        statement::cases(),
        time::cases(),
    ];
    let all: Vec<&Case> = topics.iter().flatten().collect();
    let attacks = all.iter().filter(|case| case.expected.is_err()).count();
    let advisories = all.iter().filter(|case| case.name.contains("CVE-")).count();
    eprintln!("corpus: {attacks} attacks ({advisories} name an advisory), {} controls", all.len() - attacks);
    assert!(attacks >= 200, "{attacks}");
    for topic in &topics {
        assert!(topic.iter().any(|case| case.expected.is_ok()), "a topic without a control: {}", topic[0].name);
    }
    let given: std::collections::BTreeSet<ReasonCode> = all.iter().filter_map(|case| case.expected.err()).collect();
    let at = |wanted: ReasonCode| ReasonCode::ALL.iter().position(|code| *code == wanted).unwrap();
    // In the order of the reference page: everything that is said of one bundle.
    let of_bundles = &ReasonCode::ALL[at(ReasonCode::IdentityMismatch)..=at(ReasonCode::VerificationFailed)];
    let missing: Vec<_> = of_bundles.iter().filter(|code| !given.contains(code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
