//! The token endpoint: GET with Basic credentials (or none), POST with a password or a refresh token.

use http::{HeaderMap, Method};
use serde_json::json;

use super::auth::{Access, Auth, Scopes, User};
use super::query::Query;
use super::reply::Reply;

/// Answers a token request with what the user may have of the scopes that it asks for.
pub(super) fn token(auth: &mut Auth, method: &Method, query: &Query, headers: &HeaderMap, body: &[u8]) -> Reply {
    let Access::Token { lifetime } = auth.access else { return Reply::text(404, "404 page not found\n") };
    let form = Query::parse(&String::from_utf8_lossy(body));
    let (asked, user) = match method.as_str() {
        "GET" => (query, get_user(auth, headers)),
        "POST" => (&form, post_user(auth, &form)),
        _ => return Reply::error(405, "UNSUPPORTED", "use GET or POST"),
    };
    let Ok(user) = user else { return Reply::error(401, "UNAUTHORIZED", "incorrect username or password") };
    let scopes = granted(auth, user.as_ref(), asked);
    let scope_text = describe(&scopes);
    let value = auth.issue(scopes, lifetime);
    let mut answer = json!({"access_token": value, "expires_in": lifetime.as_secs(), "scope": scope_text});
    if *method == Method::GET {
        answer["token"] = json!(value);
    } else if let Some(refresh) = user.as_ref().and_then(|u| u.refresh_token.as_ref()) {
        answer["refresh_token"] = json!(refresh);
    }
    Reply::json(200, &answer)
}

/// Nobody (anonymous), a user, or an error for wrong credentials.
fn get_user(auth: &Auth, headers: &HeaderMap) -> Result<Option<User>, ()> {
    if !headers.contains_key("authorization") {
        return Ok(None);
    }
    auth.basic_user(headers).cloned().map(Some).ok_or(())
}

fn post_user(auth: &Auth, form: &Query) -> Result<Option<User>, ()> {
    let found = match form.first("grant_type") {
        Some("refresh_token") => {
            let token = form.first("refresh_token").ok_or(())?;
            auth.users.iter().find(|u| u.refresh_token.as_deref() == Some(token))
        }
        Some("password") => {
            let (name, password) = (form.first("username"), form.first("password"));
            auth.users.iter().find(|u| Some(u.name.as_str()) == name && Some(u.password.as_str()) == password)
        }
        _ => None,
    };
    found.cloned().map(Some).ok_or(())
}

fn granted(auth: &Auth, user: Option<&User>, asked: &Query) -> Scopes {
    let mut scopes = Scopes::new();
    for scope in asked.all("scope").flat_map(str::split_whitespace) {
        let Some((name, actions)) = scope.strip_prefix("repository:").and_then(|s| s.rsplit_once(':')) else {
            continue;
        };
        for action in actions.split(',') {
            let allowed = match user {
                Some(user) => user.has(name, action),
                None => auth.anonymous_pull && action == "pull",
            };
            if allowed && ["pull", "push", "delete"].contains(&action) {
                scopes.entry(name.to_owned()).or_default().insert(action.to_owned());
            }
        }
    }
    scopes
}

fn describe(scopes: &Scopes) -> String {
    let one = |(name, actions): (&String, &std::collections::BTreeSet<String>)| {
        format!("repository:{name}:{}", actions.iter().cloned().collect::<Vec<_>>().join(","))
    };
    scopes.iter().map(one).collect::<Vec<_>>().join(" ")
}
