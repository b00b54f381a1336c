//! The TypeScript SDK stands in no registry; what it puts on the wire is sent here by hand: chunked bodies, one action by
//! GET, `ExtraConfigs` as one JSON field, reads of 61,440 bytes, and answers that must be of one shape.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::{Answer, Server, raw};

const STATS: &str = r#"{"source":"sdk","sdk_language":"typescript","sdk_version":"0.15.1","is_release":true,"framework":""}"#;
/// Bytes that it reads of a file at once.
const READ: usize = 61_440;

struct Client<'a> {
    server: &'a Server,
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
        raw::send(self.server, &raw::request(&format!("POST /?{query}"), &headers, &body)).await
    }

    async fn data(&self, action: &str, params: &[(&str, &str)]) -> Result<Value> {
        let answer = self.ask(action, params).await?;
        assert_eq!((answer.status, &answer.body["Success"]), (200, &json!(true)), "{action}: {answer:?}");
        Ok(answer.body["Data"].clone())
    }

    async fn tool(&self, id: &str, name: &str, args: Value) -> Result<(String, bool)> {
        let params = [("SessionId", id), ("Name", name), ("Args", &args.to_string()), ("Server", "")];
        let data = self.data("CallMcpTool", &params).await?;
        assert!(data.is_object(), "anything else is an invalid response: {data}");
        let text = data["content"][0]["text"].as_str().context("no text")?;
        assert!(!text.is_empty(), "{name}: the SDK would show the JSON around an empty text");
        Ok((text.to_owned(), data["isError"] == true))
    }
}

#[tokio::test]
async fn its_requests_are_answered_in_the_shapes_that_it_takes() -> Result<()> {
    let server = Server::start()?;
    let client = Client { server: &server, bearer: format!("Bearer {}", server.key()?) };
    let data = client.data("CreateMcpSession", &[("ImageId", "linux_latest"), ("Labels", r#"{"a":"b"}"#), ("SdkStats", STATS)]).await?;
    for name in ["SessionId", "ResourceUrl", "Token", "LinkUrl", "ToolList", "HttpPort", "NetworkInterfaceIp"] {
        assert!(data[name].is_string(), "{name} must be a string: {data}");
    }
    let id = data["SessionId"].as_str().context("no SessionId")?;
    let session = [("SessionId", id)];
    assert!(client.data("ListMcpTools", &[("ImageId", "linux_latest")]).await?.is_string());
    assert!(client.data("GetLabel", &session).await?["Labels"].is_string());
    assert!(client.data("GetContextInfo", &session).await?["ContextStatus"].is_string());
    assert_eq!(client.data("ListSession", &[("Labels", r#"{"a":"b"}"#)]).await?[0]["SessionId"], id);

    let (text, is_error) = client.tool(id, "shell", json!({ "command": "printf x", "timeout_ms": 1000 })).await?;
    let result: Value = serde_json::from_str(&text)?;
    assert_eq!((&result["stdout"], &result["exit_code"], is_error), (&json!("x"), &json!(0), false));
    let (text, is_error) = client.tool(id, "screenshot", json!({ "format": "png" })).await?;
    assert!(is_error && text.contains("desktop"), "{text}");
    client.tool(id, "search_files", json!({ "path": "/tmp", "pattern": "*.none", "excludePatterns": ["a"] })).await?;

    client.data("DeleteSessionAsync", &session).await?;
    let gone = client.ask("GetSessionDetail", &session).await?;
    assert!(gone.status == 400 && gone.body["Code"].as_str().is_some_and(|code| code.contains("NotFound")), "{gone:?}");
    Ok(())
}

#[tokio::test]
async fn its_reads_of_a_large_file_add_up() -> Result<()> {
    let server = Server::start()?;
    let client = Client { server: &server, bearer: format!("Bearer {}", server.key()?) };
    let data = client.data("CreateMcpSession", &[("ImageId", "linux_latest"), ("SdkStats", STATS)]).await?;
    let id = data["SessionId"].as_str().context("no SessionId")?;
    let content: String = (0..30_000).map(|line| format!("line {line}\n")).collect();
    client.tool(id, "write_file", json!({ "path": "/tmp/large", "content": content, "mode": "overwrite" })).await?;
    let (info, _) = client.tool(id, "get_file_info", json!({ "path": "/tmp/large" })).await?;
    assert!(info.lines().any(|line| line == format!("size: {}", content.len())), "{info}");
    let mut read = String::new();
    while read.len() < content.len() {
        let length = READ.min(content.len() - read.len());
        let (part, is_error) =
            client.tool(id, "read_file", json!({ "path": "/tmp/large", "offset": read.len(), "length": length })).await?;
        assert!(!is_error && part.len() == length, "{} of {length} bytes at {}", part.len(), read.len());
        read.push_str(&part);
    }
    assert!(read == content, "what was read differs");
    Ok(())
}

#[tokio::test]
async fn its_settings_for_devices_are_refused_by_name() -> Result<()> {
    let server = Server::start()?;
    let client = Client { server: &server, bearer: format!("Bearer {}", server.key()?) };
    let extra =
        r#"{"mobile":{"lockResolution":true,"hideNavigationBar":true,"appManagerRule":{"ruleType":"White","appPackageNameList":["a"]}}}"#;
    let answer = client.ask("CreateMcpSession", &[("ImageId", "linux_latest"), ("SdkStats", STATS), ("ExtraConfigs", extra)]).await?;
    assert_eq!((answer.status, answer.body["Code"].as_str()), (400, Some("UnsupportedParameter")), "{answer:?}");
    let message = answer.body["Message"].as_str().unwrap_or_default();
    assert!(message.contains("mobile.lock_resolution") && message.contains("mobile.app_manager_rule"), "{message}");
    assert_eq!(client.ask("ListSession", &[]).await?.body["TotalCount"], 0, "nothing was made");
    Ok(())
}

#[tokio::test]
async fn its_one_get_request_is_understood() -> Result<()> {
    let server = Server::start()?;
    let bearer = format!("Bearer {}", server.key()?);
    let client = Client { server: &server, bearer: bearer.clone() };
    let data = client.data("CreateMcpSession", &[("ImageId", "linux_latest"), ("SdkStats", STATS)]).await?;
    let id = data["SessionId"].as_str().context("no SessionId")?;
    let get = async |session: &str| {
        let pairs = [
            ("Action", "GetAndLoadInternalContext"),
            ("Version", "2025-05-06"),
            ("Authorization", bearer.as_str()),
            ("SessionId", session),
            ("ContextTypes.1", "file_transfer"),
        ];
        let headers = [
            ("Host", "localhost:8443"),
            ("x-acs-action", "GetAndLoadInternalContext"),
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", "0"),
        ];
        raw::send(&server, &raw::request(&format!("GET /?{}", raw::form(&pairs)), &headers, b"")).await
    };
    // Everything was read out of the query, the key and the session among it: what is missing is contexts alone.
    let answer = get(id).await?;
    assert_eq!((answer.status, answer.body["Code"].as_str()), (501, Some("UnsupportedOperation")), "{answer:?}");
    assert!(answer.body["Message"].as_str().is_some_and(|message| message.contains("contexts")), "{answer:?}");
    assert_eq!(get("session-aaaaaaaaaaaaaaaaaaaaaaaa").await?.body["Code"], "InvalidMcpSession.NotFound");
    Ok(())
}
