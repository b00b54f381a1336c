//! The TypeScript SDK stands in no registry; what it puts on the wire is sent here by hand: chunked bodies, one action by
//! GET, `ExtraConfigs` as one JSON field, reads of 61,440 bytes, and answers that must be of one shape.
//!
//! Each replay runs against a server as it is, and fails against one that breaks what it is for.

use crate::{Answer, raw};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// A server's plain HTTP address and its key.
#[derive(Debug, Clone)]
pub struct Address {
    /// `http://…`.
    pub url: String,
    /// The key's text.
    pub key: String,
}

/// What the SDK does, by the names that `facts.toml` uses.
pub const REPLAYS: [&str; 4] = ["shapes", "ranges", "devices", "get"];

/// Does it.
pub async fn replay(name: &str, address: &Address) -> Result<()> {
    let client = Client { address, bearer: format!("Bearer {}", address.key) };
    match name {
        "shapes" => shapes(&client).await,
        "ranges" => ranges(&client).await,
        "devices" => devices(&client).await,
        "get" => get(&client).await,
        other => bail!("there is no replay {other:?}"),
    }
}

const STATS: &str = r#"{"source":"sdk","sdk_language":"typescript","sdk_version":"0.15.1","is_release":true,"framework":""}"#;
/// Bytes that it reads of a file at once.
const READ: usize = 61_440;

struct Client<'a> {
    address: &'a Address,
    bearer: String,
}

impl Client<'_> {
    async fn ask(&self, action: &str, params: &[(&str, &str)]) -> Result<Answer> {
        let mut pairs = vec![("Authorization", self.bearer.as_str())];
        pairs.extend_from_slice(params);
        let body = raw::chunked(raw::form(&pairs).as_bytes(), 1000);
        let query = format!("Action={action}&Format=json&Version=2025-05-06&Timestamp=2026-01-01T00%3A00%3A00Z&SignatureNonce=n1");
        let headers = [
            ("Host", "localhost:8443"),
            ("x-acs-version", "2025-05-06"),
            ("x-acs-action", action),
            ("User-Agent", "AlibabaCloud (linux; x64) Node.js/v20.0.0 Core/1.0.1 TeaDSL/2"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Transfer-Encoding", "chunked"),
        ];
        raw::send_to(&self.address.url, &raw::request(&format!("POST /?{query}"), &headers, &body)).await
    }

    async fn data(&self, action: &str, params: &[(&str, &str)]) -> Result<Value> {
        let answer = self.ask(action, params).await?;
        ensure!((answer.status, &answer.body["Success"]) == (200, &json!(true)), "{action}: {answer:?}");
        Ok(answer.body["Data"].clone())
    }

    async fn tool(&self, id: &str, name: &str, args: Value) -> Result<(String, bool)> {
        let params = [("SessionId", id), ("Name", name), ("Args", &args.to_string()), ("Server", "")];
        let data = self.data("CallMcpTool", &params).await?;
        ensure!(data.is_object(), "anything else is an invalid response: {data}");
        let text = data["content"][0]["text"].as_str().context("no text")?;
        ensure!(!text.is_empty(), "{name}: the SDK would show the JSON around an empty text");
        Ok((text.to_owned(), data["isError"] == true))
    }
}

/// Labels of one replay's sessions, as other replays may go on beside it.
fn label(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    json!({ "replay": format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)) }).to_string()
}

async fn shapes(client: &Client<'_>) -> Result<()> {
    let labels = label("shapes");
    let data = client.data("CreateMcpSession", &[("ImageId", "linux_latest"), ("Labels", &labels), ("SdkStats", STATS)]).await?;
    for name in ["SessionId", "ResourceUrl", "Token", "LinkUrl", "ToolList", "HttpPort", "NetworkInterfaceIp"] {
        ensure!(data[name].is_string(), "{name} must be a string: {data}");
    }
    let id = data["SessionId"].as_str().context("no SessionId")?;
    let session = [("SessionId", id)];
    ensure!(client.data("ListMcpTools", &[("ImageId", "linux_latest")]).await?.is_string());
    ensure!(client.data("GetLabel", &session).await?["Labels"].is_string());
    ensure!(client.data("GetContextInfo", &session).await?["ContextStatus"].is_string());
    ensure!(client.data("ListSession", &[("Labels", &labels)]).await?[0]["SessionId"] == id);

    let (text, is_error) = client.tool(id, "shell", json!({ "command": "printf x", "timeout_ms": 1000 })).await?;
    let result: Value = serde_json::from_str(&text)?;
    ensure!((&result["stdout"], &result["exit_code"], is_error) == (&json!("x"), &json!(0), false));
    let (text, is_error) = client.tool(id, "screenshot", json!({ "format": "png" })).await?;
    ensure!(is_error && text.contains("desktop"), "{text}");
    client.tool(id, "search_files", json!({ "path": "/tmp", "pattern": "*.none", "excludePatterns": ["a"] })).await?;

    client.data("DeleteSessionAsync", &session).await?;
    let gone = client.ask("GetSessionDetail", &session).await?;
    ensure!(gone.status == 400 && gone.body["Code"].as_str().is_some_and(|code| code.contains("NotFound")), "{gone:?}");
    Ok(())
}

async fn ranges(client: &Client<'_>) -> Result<()> {
    let data = client.data("CreateMcpSession", &[("ImageId", "linux_latest"), ("SdkStats", STATS)]).await?;
    let id = data["SessionId"].as_str().context("no SessionId")?;
    let content: String = (0..30_000).map(|line| format!("line {line}\n")).collect();
    client.tool(id, "write_file", json!({ "path": "/tmp/large", "content": content, "mode": "overwrite" })).await?;
    let (info, _) = client.tool(id, "get_file_info", json!({ "path": "/tmp/large" })).await?;
    ensure!(info.lines().any(|line| line == format!("size: {}", content.len())), "{info}");
    let mut read = String::new();
    while read.len() < content.len() {
        let length = READ.min(content.len() - read.len());
        let (part, is_error) =
            client.tool(id, "read_file", json!({ "path": "/tmp/large", "offset": read.len(), "length": length })).await?;
        ensure!(!is_error && part.len() == length, "{} of {length} bytes at {}", part.len(), read.len());
        read.push_str(&part);
    }
    ensure!(read == content, "what was read differs");
    client.data("DeleteSessionAsync", &[("SessionId", id)]).await?;
    Ok(())
}

async fn devices(client: &Client<'_>) -> Result<()> {
    let extra =
        r#"{"mobile":{"lockResolution":true,"hideNavigationBar":true,"appManagerRule":{"ruleType":"White","appPackageNameList":["a"]}}}"#;
    let labels = label("devices");
    let params = [("ImageId", "linux_latest"), ("Labels", labels.as_str()), ("SdkStats", STATS), ("ExtraConfigs", extra)];
    let answer = client.ask("CreateMcpSession", &params).await?;
    ensure!((answer.status, answer.body["Code"].as_str()) == (400, Some("UnsupportedParameter")), "{answer:?}");
    let message = answer.body["Message"].as_str().unwrap_or_default();
    ensure!(message.contains("mobile.lock_resolution") && message.contains("mobile.app_manager_rule"), "{message}");
    ensure!(client.ask("ListSession", &[("Labels", &labels)]).await?.body["TotalCount"] == 0, "nothing was made");
    Ok(())
}

async fn get(client: &Client<'_>) -> Result<()> {
    let data = client.data("CreateMcpSession", &[("ImageId", "linux_latest"), ("SdkStats", STATS)]).await?;
    let id = data["SessionId"].as_str().context("no SessionId")?;
    let ask = async |session: &str| {
        let pairs = [
            ("Action", "GetAndLoadInternalContext"),
            ("Version", "2025-05-06"),
            ("Authorization", client.bearer.as_str()),
            ("SessionId", session),
            ("ContextTypes.1", "file_transfer"),
        ];
        let headers = [
            ("Host", "localhost:8443"),
            ("x-acs-action", "GetAndLoadInternalContext"),
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", "0"),
        ];
        raw::send_to(&client.address.url, &raw::request(&format!("GET /?{}", raw::form(&pairs)), &headers, b"")).await
    };
    // Everything was read out of the query, the key and the session among it: what is missing is contexts alone.
    let answer = ask(id).await?;
    ensure!((answer.status, answer.body["Code"].as_str()) == (501, Some("UnsupportedOperation")), "{answer:?}");
    ensure!(answer.body["Message"].as_str().is_some_and(|message| message.contains("contexts")), "{answer:?}");
    ensure!(ask("session-aaaaaaaaaaaaaaaaaaaaaaaa").await?.body["Code"] == "InvalidMcpSession.NotFound");
    client.data("DeleteSessionAsync", &[("SessionId", id)]).await?;
    Ok(())
}
