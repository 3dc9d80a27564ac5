//! `os-release` (os-release(5)) and Alpine's `etc/apk/repositories`.

use crate::packages::Os;

/// Longest value taken over; real ones are below 100 characters.
const MAX_VALUE_CHARS: usize = 200;

/// The operating system, or `None` when no `ID` is there. Unreadable lines are skipped, as every reader does.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Os> {
    let text = String::from_utf8_lossy(bytes);
    let (mut id, mut version, mut name) = (None, None, None);
    for line in text.lines() {
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        match key {
            "ID" => id = Some(unquote(value)),
            "VERSION_ID" => version = Some(unquote(value)),
            "PRETTY_NAME" => name = Some(unquote(value)),
            _ => {}
        }
    }
    let id = id.filter(|id| !id.is_empty())?.to_ascii_lowercase();
    Some(Os { id, version: version.unwrap_or_default(), name })
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q)).unwrap_or(value);
    let mut out = String::new();
    let mut escaped = false;
    for c in inner.chars().filter(|c| !c.is_control()).take(MAX_VALUE_CHARS) {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    out
}

/// The release of Alpine's package repositories: `edge`, `3.19`, …; the newest one if several are named. It decides
/// which advisories apply, also where `os-release` says something else.
#[must_use]
pub fn alpine_repository(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut newest: Option<(u32, u32)> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let mut parts = line.split('/').rev();
        let (Some(_), Some(release)) = (parts.next(), parts.next()) else { continue };
        if release == "edge" {
            return Some(release.to_owned());
        }
        let numbers = release.strip_prefix('v').and_then(|r| r.split_once('.'));
        if let Some((Ok(major), Ok(minor))) = numbers.map(|(a, b)| (a.parse(), b.parse())) {
            newest = newest.max(Some((major, minor)));
        }
    }
    newest.map(|(major, minor)| format!("{major}.{minor}"))
}

/// `ESM` when Ubuntu's extended maintenance is on: its own advisories apply then (`pro status`, `esm-infra`).
#[must_use]
pub fn ubuntu_stream(bytes: &[u8]) -> Option<String> {
    let status: UbuntuStatus = serde_json::from_slice(bytes).ok()?;
    let on = status.services.iter().any(|service| service.name == "esm-infra" && service.status == "enabled");
    on.then(|| ESM.to_owned())
}

/// What is appended to Ubuntu's release, after a dash.
pub const ESM: &str = "ESM";

#[derive(serde::Deserialize)]
struct UbuntuStatus {
    #[serde(default)]
    services: Vec<UbuntuService>,
}

#[derive(serde::Deserialize)]
struct UbuntuService {
    #[serde(default)]
    name: String,
    #[serde(default)]
    status: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_what_makes_an_operating_system() {
        let os = parse(b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n").unwrap();
        assert_eq!((os.id.as_str(), os.version.as_str()), ("debian", "12"));
        assert_eq!(os.name.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(parse(b"ID='wolfi'\r\n").unwrap().id, "wolfi");
        assert_eq!(parse(b"ID=\"\"\nNAME=x"), None);
        assert_eq!(parse(b"\xff\xfe"), None);
    }

    #[test]
    fn extended_maintenance_is_on_only_where_its_service_is_enabled() {
        let status = |name: &str, status: &str| format!(r#"{{"services":[{{"name":"{name}","status":"{status}"}}]}}"#);
        assert_eq!(ubuntu_stream(status("esm-infra", "enabled").as_bytes()).as_deref(), Some("ESM"));
        for off in [status("esm-infra", "disabled"), status("livepatch", "enabled"), "{}".to_owned(), "no".to_owned()] {
            assert_eq!(ubuntu_stream(off.as_bytes()), None, "{off}");
        }
    }

    #[test]
    fn the_newest_repository_release_wins_and_edge_over_all() {
        let base = "https://dl-cdn.alpinelinux.org/alpine";
        let list = format!("#{base}/edge/main\n{base}/v3.9/main\n{base}/v3.10/community\n");
        assert_eq!(alpine_repository(list.as_bytes()).as_deref(), Some("3.10"));
        assert_eq!(alpine_repository(format!("{list}{base}/edge/testing").as_bytes()).as_deref(), Some("edge"));
        assert_eq!(alpine_repository(b"/local/path"), None);
    }
}
