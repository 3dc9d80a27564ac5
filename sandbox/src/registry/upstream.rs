//! Another registry behind this one: requests are logged, counted and broken here, and answered there.
//!
//! Speaks HTTP/1.0, one connection a request, so that no answer is chunked. The client's `Host` is kept: the registry
//! makes its `Location` of it, and clients must come back through here.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::reply::Reply;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Headers of a connection, not of a request.
const HOP_BY_HOP: [&str; 4] = ["connection", "content-length", "keep-alive", "transfer-encoding"];

/// The upstream's answer, or 502 if it gives none.
pub(super) async fn forward(address: &str, method: &Method, target: &str, headers: &HeaderMap, body: &[u8]) -> Reply {
    let answer = tokio::time::timeout(TIMEOUT, exchange(address, method, target, headers, body)).await;
    let failed = |why: String| Reply::error(502, "UNKNOWN", &format!("{address}: {why}"));
    match answer {
        Ok(Ok(bytes)) => parse(&bytes).unwrap_or_else(|| failed("no HTTP answer".to_owned())),
        Ok(Err(error)) => failed(error.to_string()),
        Err(_) => failed("no answer in time".to_owned()),
    }
}

async fn exchange(
    address: &str,
    method: &Method,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!("{method} {target} HTTP/1.0\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        if let (false, Ok(value)) = (HOP_BY_HOP.contains(&name.as_str()), value.to_str()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn parse(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut reply = Reply::new(status).body(Bytes::copy_from_slice(&answer[end + 4..]));
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let known = NAMES.iter().find(|known| known.eq_ignore_ascii_case(name));
        if let Some(known) = known {
            reply = reply.header(known, value.trim());
        }
    }
    Some(reply)
}

/// What registries say that clients may act on. The length of an answer to HEAD counts, too.
const NAMES: [&str; 14] = [
    "content-length",
    "content-type",
    "docker-content-digest",
    "docker-upload-uuid",
    "etag",
    "link",
    "location",
    "oci-filters-applied",
    "oci-subject",
    "oci-tag",
    "range",
    "retry-after",
    "warning",
    "www-authenticate",
];
