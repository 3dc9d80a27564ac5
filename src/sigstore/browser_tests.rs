use std::collections::BTreeMap;
use std::sync::Mutex as Shared;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Somebody who copies the code; remembers where they were sent.
#[derive(Debug, Default)]
struct Copyist {
    urls: Shared<Vec<String>>,
}

impl Person for Copyist {
    fn log_in_at(&self, url: &str, _opened: bool) {
        self.urls.lock().unwrap().push(url.to_owned());
    }

    fn read_code(&self) -> std::io::Result<SecretString> {
        Ok(SecretString::from(" the-code\n".to_owned()))
    }
}

fn token() -> String {
    let claims = serde_json::json!({"iss": "https://i", "sub": "s", "exp": 4_000_000_000_u64, "aud": "sigstore"});
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// Answers one POST with `answer` and returns the form that came.
async fn issuer(listener: TcpListener, answer: String) -> BTreeMap<String, String> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(4).any(|w| w == b"\r\n\r\n") || !String::from_utf8_lossy(&seen).contains("redirect_uri=") {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).await.unwrap();
        assert!(n > 0);
        seen.extend_from_slice(&piece[..n]);
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    let text = String::from_utf8(seen).unwrap();
    assert!(text.starts_with("POST /dex/token "), "{text}");
    let form = text.split_once("\r\n\r\n").unwrap().1.to_owned();
    url::form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn the_code_is_exchanged_with_the_verifier_of_the_challenge_and_the_login_is_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/dex", listener.local_addr().unwrap());
    let person = Arc::new(Copyist::default());
    let browser = Browser::new(&address, person.clone());
    let client = crate::sigstore::http_client().unwrap();
    let answer = http("200 OK", &serde_json::json!({"id_token": token(), "access_token": "x"}).to_string());
    let (got, form) = tokio::join!(browser.token(&client, |_| true), issuer(listener, answer));
    assert_eq!(got.unwrap().expose_secret(), token());
    assert_eq!((form["code"].as_str(), form["grant_type"].as_str()), ("the-code", "authorization_code"));

    let url: url::Url = person.urls.lock().unwrap()[0].parse().unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert!(url.as_str().starts_with(&format!("{address}/auth?")) && query["state"].len() >= 16);
    let digest = crate::oci::Digest::of(form["code_verifier"].as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode(hex::decode(digest.hex()).unwrap());
    assert_eq!(
        (query["code_challenge"].as_str(), query["code_challenge_method"].as_str()),
        (challenge.as_str(), "S256")
    );

    let again = browser.token(&client, |_| true).await.unwrap();
    assert_eq!((again.expose_secret(), person.urls.lock().unwrap().len()), (token().as_str(), 1), "asked once");
    assert!(!format!("{browser:?}").contains(&token()));
}

#[tokio::test]
async fn a_refused_login_is_an_error_without_the_code() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/dex", listener.local_addr().unwrap());
    let browser = Browser::new(&address, Arc::new(Copyist::default()));
    let client = crate::sigstore::http_client().unwrap();
    let refused = http("400 Bad Request", r#"{"error":"invalid_grant"}"#);
    let (got, _) = tokio::join!(browser.token(&client, |_| true), issuer(listener, refused));
    let error = got.unwrap_err().to_string();
    assert!(error.contains("400") && !error.contains("the-code"), "{error}");
}
