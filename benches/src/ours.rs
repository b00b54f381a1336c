//! Our side: the AgentBay protocol over TLS with authentication, on a connection opened beforehand.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tests::Server;

/// A client of a running server.
#[derive(Debug)]
pub(crate) struct Ours {
    http: reqwest::Client,
    url: String,
    authorization: String,
}

impl Ours {
    pub(crate) async fn connect(server: &Server) -> Result<Self> {
        let ours = Self { http: server.http()?, url: server.fact("https")?, authorization: format!("Bearer {}", server.key()?) };
        ours.rpc("ListSession", &[("Labels", "{}")]).await?;
        Ok(ours)
    }

    pub(crate) async fn create(&self) -> Result<String> {
        let stats = r#"{"source":"sdk","sdk_language":"rust","sdk_version":"0.1.0","is_release":true,"framework":""}"#;
        let answer = self.rpc("CreateMcpSession", &[("ImageId", "linux_latest"), ("SdkStats", stats)]).await?;
        Ok(answer["Data"]["SessionId"].as_str().context("no session id")?.to_owned())
    }

    pub(crate) async fn command(&self, session: &str, command: &str) -> Result<()> {
        let args = serde_json::json!({ "command": command, "timeout_ms": 10_000 }).to_string();
        let answer = self.rpc("CallMcpTool", &[("SessionId", session), ("Name", "shell"), ("Args", &args)]).await?;
        if answer["Data"]["isError"] == Value::Bool(true) {
            bail!("the command failed: {answer}");
        }
        Ok(())
    }

    /// Ends a session and waits until nothing of it is left.
    pub(crate) async fn release(&self, session: &str) -> Result<()> {
        self.rpc("ReleaseMcpSession", &[("SessionId", session)]).await.map(drop)
    }

    async fn rpc(&self, action: &str, params: &[(&str, &str)]) -> Result<Value> {
        let mut form = vec![("Authorization", self.authorization.as_str())];
        form.extend_from_slice(params);
        let query = [("Action", action), ("Version", "2025-05-06"), ("Format", "json")];
        let answer = self.http.post(&self.url).query(&query).header("x-acs-action", action).form(&form).send().await?;
        let (status, body) = (answer.status(), answer.json::<Value>().await?);
        if !status.is_success() || body["Success"] != Value::Bool(true) {
            bail!("{action}: {status} {body}");
        }
        Ok(body)
    }
}
