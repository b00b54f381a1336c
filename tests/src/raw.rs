//! HTTP by hand: requests that no client library would send.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Answer, Server};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends bytes to the server's plain HTTP address and reads its answer, which must be JSON.
pub async fn send(server: &Server, request: &[u8]) -> Result<Answer> {
    send_to(&server.fact("http")?, request).await
}

/// Sends bytes to an `http://` address and reads the answer, which must be JSON.
pub async fn send_to(url: &str, request: &[u8]) -> Result<Answer> {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let exchange = async {
        // A server that has refused already may not read to the end.
        let _ = writer.write_all(request).await;
        reader.read_to_end(&mut answer).await
    };
    // An answer may be cut by a reset when not all was read; what came is judged.
    let _ = tokio::time::timeout(PATIENCE, exchange).await.context("no answer")?;
    let text = String::from_utf8(answer)?;
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no HTTP answer: {text:.300}"))?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).with_context(|| format!("no status: {head}"))?;
    ensure!(!head.to_lowercase().contains("transfer-encoding: chunked"), "answers have a length: {head}");
    let body: Value = serde_json::from_str(body).with_context(|| format!("status {status}, not JSON: {body:.300}"))?;
    Ok(Answer { status, body })
}

/// A request of these head lines, on a connection that ends with it.
pub fn request(first_line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{first_line} HTTP/1.1\r\nConnection: close\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// `body` in chunks of `size` bytes.
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + body.len() / size * 16 + 16);
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// `a=1&b=2`, urlencoded.
pub fn form(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        text.bytes().map(|byte| if safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect::<String>()
    };
    pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}
