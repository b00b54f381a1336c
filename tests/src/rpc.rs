//! The AgentBay protocol by hand: what no SDK would send can be sent with this.

use crate::Server;
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A client that speaks the protocol and nothing more.
#[derive(Debug, Clone)]
pub struct Rpc {
    http: reqwest::Client,
    url: String,
    authorization: String,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: Value,
}

/// What a tool said.
#[derive(Debug, Clone)]
pub struct ToolAnswer {
    /// Text of the first content block.
    pub text: String,
    /// Whether it is a failure.
    pub is_error: bool,
}

impl Rpc {
    /// A client with the server's first key.
    pub fn new(server: &Server) -> Result<Self> {
        Self::with_key(server, &server.key()?)
    }

    /// A client with another key.
    pub fn with_key(server: &Server, key: &str) -> Result<Self> {
        Ok(Self { http: server.http()?, url: server.fact("https")?, authorization: format!("Bearer {key}") })
    }

    /// A client of a server elsewhere. It trusts `SSL_CERT_FILE`.
    pub fn at(url: &str, key: &str) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificates = match std::env::var_os("SSL_CERT_FILE") {
            Some(path) => reqwest::Certificate::from_pem_bundle(&std::fs::read(path)?)?,
            None => Vec::new(),
        };
        let http = reqwest::Client::builder().tls_certs_only(certificates).no_proxy().build()?;
        Ok(Self { http, url: url.to_owned(), authorization: format!("Bearer {key}") })
    }

    /// Fetches an address, a link for example; status and text.
    pub async fn fetch(&self, url: &str) -> Result<(u16, String)> {
        let answer = self.http.get(url).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Asks for an action; any status is an answer.
    pub async fn ask(&self, action: &str, params: &[(&str, &str)]) -> Result<Answer> {
        let mut form = vec![("Authorization", self.authorization.as_str())];
        form.extend_from_slice(params);
        let query = [("Action", action), ("Version", "2025-05-06"), ("Format", "json")];
        let answer = self.http.post(&self.url).query(&query).header("x-acs-action", action).form(&form).send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).with_context(|| format!("{action}: status {status}, not JSON: {text:.200}"))?;
        Ok(Answer { status, body })
    }

    /// Asks for an action that must succeed.
    pub async fn ok(&self, action: &str, params: &[(&str, &str)]) -> Result<Value> {
        let answer = self.ask(action, params).await?;
        ensure!(answer.status == 200 && answer.body["Success"] == true, "{action}: {answer:?}");
        Ok(answer.body)
    }

    /// A session as the newest Python SDK would make it, with more parameters.
    pub async fn create_with(&self, params: &[(&str, &str)]) -> Result<String> {
        let stats = r#"{"source":"sdk","sdk_language":"python","sdk_version":"0.22.3","is_release":true,"framework":""}"#;
        let mut all = vec![("ImageId", "linux_latest"), ("SdkStats", stats)];
        all.extend_from_slice(params);
        let body = self.ok("CreateMcpSession", &all).await?;
        Ok(body["Data"]["SessionId"].as_str().context("no SessionId")?.to_owned())
    }

    /// A session with defaults.
    pub async fn create(&self) -> Result<String> {
        self.create_with(&[]).await
    }

    /// Calls a tool that the protocol layer must accept.
    pub async fn tool(&self, session: &str, name: &str, args: Value) -> Result<ToolAnswer> {
        let args = args.to_string();
        let body = self.ok("CallMcpTool", &[("SessionId", session), ("Name", name), ("Args", &args)]).await?;
        let text = body["Data"]["content"][0]["text"].as_str().with_context(|| format!("no text in {body}"))?.to_owned();
        Ok(ToolAnswer { text, is_error: body["Data"]["isError"] == true })
    }

    /// Runs a command and gives its wrapped result, whatever its exit code.
    pub async fn shell(&self, session: &str, command: &str, timeout_ms: u64) -> Result<Value> {
        let answer = self.tool(session, "shell", serde_json::json!({ "command": command, "timeout_ms": timeout_ms })).await?;
        serde_json::from_str(&answer.text).with_context(|| format!("not the wrapped form: {}", answer.text))
    }

    /// Standard output of a command that must succeed.
    pub async fn stdout(&self, session: &str, command: &str) -> Result<String> {
        let result = self.shell(session, command, 50_000).await?;
        ensure!(result["exit_code"] == 0, "{command}: {result}");
        Ok(result["stdout"].as_str().context("no stdout")?.to_owned())
    }

    /// Pid on the host of a session's first process.
    pub async fn host_pid(&self, session: &str) -> Result<i32> {
        let answer =
            self.http.get(format!("{}/v1/sessions/{session}", self.url)).header("Authorization", &self.authorization).send().await?;
        let facts: Value = answer.json().await?;
        let pid = facts.pointer("/sandbox/host_pid").and_then(Value::as_i64).with_context(|| format!("no host pid in {facts}"))?;
        Ok(i32::try_from(pid)?)
    }
}
