//! Basic and token authorization: challenges, scopes, expiry, refresh tokens, foreign realms.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Answer, Bed, OCI_INDEX, Options, Switch};
use crate::registry::{Access, Bait, Right, User};

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

async fn bed(access: Access, anonymous_pull: bool) -> Bed {
    let users = vec![
        User::new("ci", "pass:word").refresh_token("refresh-me"),
        User::new("reader", "secret").may(Right::Pull, "org/*"),
    ];
    Bed::with(Options { access, users, anonymous_pull, ..Options::default() }).await
}

async fn tokens(anonymous_pull: bool) -> Bed {
    bed(Access::Token { lifetime: Duration::from_secs(60) }, anonymous_pull).await
}

async fn token(bed: &Bed, credentials: Option<&str>, scopes: &[&str]) -> Answer {
    let query: Vec<String> = scopes.iter().map(|s| format!("scope={s}")).collect();
    let headers: Vec<(&str, &str)> = credentials.iter().map(|c| ("authorization", *c)).collect();
    bed.send("GET", &format!("/token?service=sandbox&{}", query.join("&")), &headers, b"").await
}

async fn bearer(bed: &Bed, credentials: Option<&str>, scopes: &[&str]) -> String {
    let answer = token(bed, credentials, scopes).await;
    assert_eq!(answer.status, 200);
    format!("Bearer {}", answer.json()["token"].as_str().unwrap())
}

async fn put(bed: &Bed, authorization: &str) -> Answer {
    let headers = [("content-type", OCI_INDEX), ("authorization", authorization)];
    bed.send("PUT", "/v2/org/app/manifests/v1", &headers, &bed.sample.manifest).await
}

async fn read(bed: &Bed, authorization: &str) -> Answer {
    bed.send("GET", &bed.index_path(), &[("authorization", authorization)], b"").await
}

#[tokio::test]
async fn basic_asks_for_name_and_password() {
    let bed = bed(Access::Basic, false).await;
    let refused = bed.get(&bed.index_path()).await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Basic realm=\"sandbox\"")));
    assert_eq!(bed.get("/v2/").await.status, 401);
    assert_eq!(put(&bed, &basic("ci", "pass:word")).await.status, 201);
    assert_eq!(put(&bed, &basic("ci", "wrong")).await.status, 401);
    assert_eq!(put(&bed, &basic("reader", "secret")).await.status, 403);
    assert_eq!(read(&bed, &basic("reader", "secret")).await.status, 200);
}

#[tokio::test]
async fn anonymous_pull_reads_but_does_not_write() {
    let basic = bed(Access::Basic, true).await;
    assert_eq!(basic.get(&basic.index_path()).await.status, 200);
    assert_eq!(basic.put_index("v1").await.status, 401);
    let bed = tokens(true).await;
    let anonymous = bearer(&bed, None, &["repository:org/app:pull,push"]).await;
    assert_eq!(read(&bed, &anonymous).await.status, 200);
    assert_eq!(put(&bed, &anonymous).await.status, 401);
}

#[tokio::test]
async fn the_challenge_names_realm_service_and_scope() {
    let bed = tokens(false).await;
    let realm = format!("Bearer realm=\"{}/token\",service=\"sandbox\"", bed.registry.origin());
    let ping = bed.get("/v2/").await;
    assert_eq!((ping.status, ping.header("www-authenticate")), (401, Some(realm.as_str())));
    let pull = bed.get(&bed.index_path()).await;
    assert_eq!(pull.header("www-authenticate").unwrap(), format!("{realm},scope=\"repository:org/app:pull\""));
    let push = bed.put_index("v1").await;
    assert_eq!(push.header("www-authenticate").unwrap(), format!("{realm},scope=\"repository:org/app:pull,push\""));
}

#[tokio::test]
async fn a_token_is_good_for_its_scopes_only() {
    let bed = tokens(false).await;
    let ci = basic("ci", "pass:word");
    let pull = bearer(&bed, Some(&ci), &["repository:org/app:pull"]).await;
    assert_eq!(read(&bed, &pull).await.status, 200);
    let refused = put(&bed, &pull).await;
    assert!(refused.status == 401 && refused.header("www-authenticate").unwrap().contains("insufficient_scope"));
    let both = bearer(&bed, Some(&ci), &["repository:org/app:pull,push"]).await;
    assert_eq!(put(&bed, &both).await.status, 201);
    let other = bearer(&bed, Some(&ci), &["repository:other:pull,push"]).await;
    assert_eq!(read(&bed, &other).await.status, 401);
    let reader = bearer(&bed, Some(&basic("reader", "secret")), &["repository:org/app:pull,push"]).await;
    assert_eq!((read(&bed, &reader).await.status, put(&bed, &reader).await.status), (200, 401));
    assert_eq!(token(&bed, Some(&basic("ci", "wrong")), &[]).await.status, 401);
}

#[tokio::test]
async fn a_mount_needs_pull_on_its_source() {
    let bed = tokens(false).await;
    let ci = basic("ci", "pass:word");
    let digest = &bed.sample.images[0].layers[0].digest;
    let mount = async |authorization: String| {
        let target = format!("/v2/copy/blobs/uploads/?mount={digest}&from=org/app");
        bed.send("POST", &target, &[("authorization", &authorization)], b"").await.status
    };
    assert_eq!(mount(bearer(&bed, Some(&ci), &["repository:copy:pull,push"]).await).await, 202);
    let scopes = ["repository:copy:pull,push", "repository:org/app:pull"];
    assert_eq!(mount(bearer(&bed, Some(&ci), &scopes).await).await, 201);
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_by_post() {
    let bed = tokens(false).await;
    let form = "grant_type=refresh_token&service=sandbox&client_id=x&refresh_token=refresh-me\
        &scope=repository%3Aorg%2Fapp%3Apull%2Cpush";
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let answer = bed.send("POST", "/token", &kind, form.as_bytes()).await;
    assert_eq!((answer.status, &answer.json()["refresh_token"]), (200, &"refresh-me".into()));
    let bearer = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
    assert_eq!(put(&bed, &bearer).await.status, 201);
    let wrong = form.replace("refresh-me", "guessed");
    assert_eq!(bed.send("POST", "/token", &kind, wrong.as_bytes()).await.status, 401);
}

#[tokio::test]
async fn tokens_expire_by_themselves_and_at_once_when_asked() {
    let bed = tokens(false).await;
    let ci = basic("ci", "pass:word");
    let bearer_now = bearer(&bed, Some(&ci), &["repository:org/app:pull"]).await;
    bed.registry.expire_tokens();
    let refused = read(&bed, &bearer_now).await;
    assert!(refused.status == 401 && refused.header("www-authenticate").unwrap().contains("invalid_token"));
    let short = self::bed(Access::Token { lifetime: Duration::from_millis(40) }, false).await;
    let brief = bearer(&short, Some(&ci), &["repository:org/app:pull"]).await;
    assert_eq!(read(&short, &brief).await.status, 200);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(read(&short, &brief).await.status, 401);
}

#[tokio::test]
async fn expired_is_forbidden() {
    let bed = tokens(false).await;
    bed.registry.faults().on(Switch::ExpiredIsForbidden);
    let bearer = bearer(&bed, Some(&basic("ci", "pass:word")), &["repository:org/app:pull"]).await;
    bed.registry.expire_tokens();
    assert_eq!(read(&bed, &bearer).await.status, 403);
    assert_eq!(read(&bed, "Bearer unknown").await.status, 401);
}

#[tokio::test]
async fn foreign_realm() {
    let bed = tokens(false).await;
    let trap = bed.registry.trap(Bait::Token("poisoned".to_owned())).await.unwrap();
    bed.registry.faults().on(Switch::ForeignRealm(format!("{}/token", trap.origin())));
    let challenge = bed.get(&bed.index_path()).await;
    assert!(challenge.header("www-authenticate").unwrap().contains(trap.origin()));
    let address = trap.origin().strip_prefix("http://").unwrap();
    let answer = super::send(address, "GET", "/token", &[("authorization", "Basic x")], b"").await.unwrap();
    assert_eq!(answer.json()["token"], "poisoned");
    assert!(trap.caught_a_secret());
    assert_eq!(read(&bed, "Bearer poisoned").await.status, 401);
}
