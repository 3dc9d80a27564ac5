//! Tokens, Basic, realms, scopes; and where credentials never go.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign::registry::http::{CredentialOptions, HttpOptions, HttpRegistry};
use countersign::registry::{ErrorKind, PutTarget, Registry};
use countersign_sandbox::registry::{Access, Bait, Fault, Options, Place, Right, Switch, User, When};
use futures_util::future::join_all;

use super::{by_tag, client, client_as, count, options, requests, seed, small_index, start, tag};

const SECRET: &str = "hunter22-secret";

fn tokens() -> Options {
    let access = Access::Token { lifetime: Duration::from_secs(300) };
    Options { access, users: vec![User::new("ann", SECRET).refresh_token("refresh-me")], ..Options::default() }
}

fn ann() -> String {
    format!("ann:{SECRET}")
}

#[tokio::test]
async fn a_password_is_exchanged_for_a_token_of_the_needed_scope() {
    let (registry, repository) = start(tokens()).await;
    seed(&registry, "1.0", &small_index("a"));
    let client = client_as(&registry, &ann());
    assert!(client.head(&repository, &tag("1.0")).await.unwrap().is_some());
    client.put_manifest(&repository, &PutTarget::Tag(tag("2.0")), &small_index("b")).await.unwrap();
    assert!(client.manifest(&by_tag(&repository, "2.0")).await.unwrap().is_some());
    let scopes: Vec<String> =
        registry.log().iter().filter(|r| r.path() == "/token").map(|r| r.target.clone()).collect();
    assert_eq!(scopes.len(), 2, "{scopes:?}");
    assert!(scopes[0].contains("scope=repository%3Ateam%2Fapp%3Apull") && !scopes[0].contains("push"), "{scopes:?}");
    assert!(scopes[1].contains("pull%2Cpush"), "{scopes:?}");
    assert_eq!(registry.log().len(), 6, "{:?}", requests(&registry));
}

#[tokio::test]
async fn parallel_callers_share_one_token_request() {
    let (registry, repository) = start(tokens()).await;
    seed(&registry, "1.0", &small_index("a"));
    registry.faults().on(Switch::Latency(Duration::from_millis(30)));
    let (client, one) = (client_as(&registry, &ann()), tag("1.0"));
    let answers = join_all((0..5).map(|_| client.head(&repository, &one))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().is_some()));
    assert_eq!(count(&registry, "GET /token"), 1, "{:?}", requests(&registry));
}

#[tokio::test]
async fn a_public_repository_is_read_with_an_anonymous_token() {
    let (registry, repository) = start(Options { anonymous_pull: true, ..tokens() }).await;
    seed(&registry, "1.0", &small_index("a"));
    assert!(client().head(&repository, &tag("1.0")).await.unwrap().is_some());
    let put = client().put_manifest(&repository, &PutTarget::Digest, &small_index("b")).await;
    assert!(matches!(put.unwrap_err().kind, ErrorKind::Unauthenticated | ErrorKind::Forbidden));
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_also_where_the_registry_calls_it_forbidden() {
    for switch in [None, Some(Switch::ExpiredIsForbidden)] {
        let (registry, repository) = start(tokens()).await;
        seed(&registry, "1.0", &small_index("a"));
        switch.into_iter().for_each(|switch| registry.faults().on(switch));
        let client = client_as(&registry, &ann());
        assert!(client.head(&repository, &tag("1.0")).await.unwrap().is_some());
        registry.expire_tokens();
        assert!(client.manifest(&by_tag(&repository, "1.0")).await.unwrap().is_some());
        assert_eq!(count(&registry, "GET /token"), 2);
    }
}

#[tokio::test]
async fn a_wrong_password_is_unauthenticated_and_a_missing_right_too_and_neither_is_tried_for_ever() {
    let reader = User::new("bob", "reads-only").may(Right::Pull, "team/app");
    let (registry, repository) = start(Options { users: vec![reader], ..tokens() }).await;
    seed(&registry, "1.0", &small_index("a"));
    let wrong = client_as(&registry, "bob:wrong-password").head(&repository, &tag("1.0")).await.unwrap_err();
    assert_eq!(wrong.kind, ErrorKind::Unauthenticated);
    let client = client_as(&registry, "bob:reads-only");
    assert!(client.head(&repository, &tag("1.0")).await.unwrap().is_some());
    let denied = client.put_manifest(&repository, &PutTarget::Digest, &small_index("b")).await.unwrap_err();
    assert!(matches!(denied.kind, ErrorKind::Unauthenticated | ErrorKind::Forbidden), "{denied}");
    assert!(registry.log().len() < 16, "{:?}", requests(&registry));
}

#[tokio::test]
async fn basic_authorisation_is_sent_only_after_it_was_asked_for() {
    let (registry, repository) = start(Options { access: Access::Basic, ..tokens() }).await;
    seed(&registry, "1.0", &small_index("a"));
    let client = client_as(&registry, &ann());
    for _ in 0..2 {
        assert!(client.head(&repository, &tag("1.0")).await.unwrap().is_some());
    }
    let authorized: Vec<bool> = registry.log().iter().map(|request| request.is_authorized()).collect();
    assert_eq!(authorized, [false, true, true]);
    let wrong = client_as(&registry, "ann:nonsense").head(&repository, &tag("1.0")).await.unwrap_err();
    let nobody = super::client().head(&repository, &tag("1.0")).await.unwrap_err();
    assert_eq!((wrong.kind, nobody.kind), (ErrorKind::Unauthenticated, ErrorKind::Unauthenticated));
}

fn with_docker_config(json: &str) -> (tempfile::NamedTempFile, HttpRegistry) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json).unwrap();
    let credentials = CredentialOptions { docker_config: Some(file.path().to_owned()), ..CredentialOptions::default() };
    let client = HttpRegistry::new(HttpOptions { credentials, ..options() }).unwrap();
    (file, client)
}

#[tokio::test]
async fn an_identity_token_of_docker_config_is_exchanged_by_post() {
    let (registry, repository) = start(tokens()).await;
    seed(&registry, "1.0", &small_index("a"));
    let json = format!(r#"{{"auths":{{"{}":{{"identitytoken":"refresh-me"}}}}}}"#, registry.address());
    let (_file, client) = with_docker_config(&json);
    assert!(client.head(&repository, &tag("1.0")).await.unwrap().is_some());
    assert_eq!((count(&registry, "POST /token"), count(&registry, "GET /token")), (1, 0));
    assert!(registry.log().iter().all(|request| !request.target.contains("refresh-me")));
}

#[tokio::test]
async fn a_bearer_token_from_standard_input_is_presented_as_it_is_if_the_token_service_does_not_take_it() {
    let (registry, repository) = start(tokens()).await;
    registry.faults().on(Switch::Latency(Duration::ZERO));
    let error = client_as(&registry, "some-opaque-token").head(&repository, &tag("1.0")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthenticated);
    let markers: Vec<_> = registry.log().iter().map(|request| request.credential.clone()).collect();
    let bearer =
        countersign_sandbox::registry::Credential::Bearer(countersign_sandbox::registry::marker("some-opaque-token"));
    assert!(markers.contains(&bearer), "{markers:?}");
}

#[tokio::test]
async fn i11_a_foreign_realm_gets_nothing_until_the_configuration_names_it() {
    let (registry, repository) = start(tokens()).await;
    seed(&registry, "1.0", &small_index("a"));
    let trap = registry.trap(Bait::Token("stolen".to_owned())).await.unwrap();
    registry.faults().on(Switch::ForeignRealm(format!("{}/token", trap.origin())));
    for client in [client_as(&registry, &ann()), client()] {
        let error = client.head(&repository, &tag("1.0")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unauthenticated);
        let help = format!("registries.{}.realm: {}", registry.address(), trap.origin());
        assert!(error.message.contains(&help), "{error}");
    }
    assert!(trap.caught().is_empty());
    let realms = BTreeMap::from([(registry.address(), trap.origin().parse().unwrap())]);
    let client = HttpRegistry::new(HttpOptions { realms, ..options() }).unwrap();
    let _ = client.head(&repository, &tag("1.0")).await;
    assert!(!trap.caught().is_empty());
}

#[tokio::test]
async fn i10_secrets_that_a_registry_sends_back_do_not_reach_errors() {
    let (registry, repository) = start(tokens()).await;
    let echo = format!(r#"{{"errors":[{{"code":"DENIED","message":"ann and {SECRET} may not"}}]}}"#);
    let headers = vec![("content-type", "application/json".to_owned())];
    let answer = Fault::Answer(403, headers, echo.into_bytes());
    registry.faults().add(When::any().matching("/token"), Place::Before, answer);
    let client = client_as(&registry, &ann());
    let error = client.head(&repository, &tag("1.0")).await.unwrap_err();
    assert!(error.message.contains("***") && !format!("{error} {error:?} {client:?}").contains(SECRET), "{error}");
}

#[tokio::test]
async fn two_repositories_of_one_registry_have_tokens_of_their_own() {
    let (registry, repository) = start(tokens()).await;
    let other = format!("{}/team/other", registry.address()).parse().unwrap();
    let client = client_as(&registry, &ann());
    client.head(&repository, &tag("1.0")).await.unwrap();
    client.head(&other, &tag("1.0")).await.unwrap();
    // The second repository is asked with its token at once: the registry's way was learnt.
    assert_eq!(count(&registry, "HEAD"), 3, "{:?}", requests(&registry));
    assert_eq!(count(&registry, "GET /token"), 2);
}
