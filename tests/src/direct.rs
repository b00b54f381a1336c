//! The direct routes by hand: a session's URL, token and socket as a creation told them.

use crate::{Rpc, Server, ToolAnswer};
use anyhow::{Context, Result, ensure};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A session and the ways into it.
#[derive(Debug, Clone)]
pub struct Direct {
    http: reqwest::Client,
    /// Its id.
    pub session: String,
    /// `LinkUrl`.
    pub link: String,
    /// `WsUrl`.
    pub socket: String,
    /// `Token`.
    pub token: String,
}

/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);

impl Direct {
    /// A new session of that client.
    pub async fn create(server: &Server, rpc: &Rpc) -> Result<Self> {
        let session = rpc.create().await?;
        let data = rpc.ok("GetSession", &[("SessionId", &session)]).await?["Data"].clone();
        let text =
            |name: &str| data[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned).with_context(|| format!("no {name}"));
        Ok(Self { http: server.http()?, session, link: text("LinkUrl")?, socket: text("WsUrl")?, token: text("Token")? })
    }

    /// The same with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Sends a call; any status is an answer.
    pub async fn ask(&self, tool: &str, args: Value) -> Result<(u16, Value)> {
        let body = json!({ "args": args, "server": "s", "requestId": "link-1", "tool": tool, "token": self.token });
        let asked = self.http.post(format!("{}/callTool", self.link)).header("X-Access-Token", &self.token).json(&body);
        let answer = asked.send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await?))
    }

    /// Calls a tool that the route must accept.
    pub async fn tool(&self, tool: &str, args: Value) -> Result<ToolAnswer> {
        let (status, body) = self.ask(tool, args).await?;
        let result = &body["data"]["result"];
        let text = result["content"][0]["text"].as_str().with_context(|| format!("{tool}: {status}: {body}"))?.to_owned();
        Ok(ToolAnswer { text, is_error: result["isError"] == true })
    }

    /// The answer to a handshake.
    pub async fn handshake(&self) -> Result<reqwest::Response> {
        let url = self.socket.replacen("wss", "https", 1);
        let asked = self.http.get(url).header("connection", "Upgrade").header("upgrade", "websocket").header("sec-websocket-version", "13");
        Ok(asked.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").header("X-Access-Token", &self.token).send().await?)
    }

    /// An open socket.
    pub async fn connect(&self) -> Result<Socket> {
        let answer = self.handshake().await?;
        ensure!(answer.status().as_u16() == 101, "{answer:?}");
        ensure!(answer.headers()["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        Ok(Socket(WebSocketStream::from_raw_socket(answer.upgrade().await?, Role::Client, None).await))
    }
}

/// A client's end of a session's socket.
#[derive(Debug)]
pub struct Socket(pub WebSocketStream<reqwest::Upgraded>);

impl Socket {
    /// Sends an invocation.
    pub async fn invoke(&mut self, id: &str, target: &str, method: &str, params: Value) -> Result<()> {
        let frame = json!({ "invocationId": id, "source": "SDK", "target": target, "data": { "method": method, "params": params } });
        Ok(self.0.send(Message::text(frame.to_string())).await?)
    }

    /// The next message, checked for what every client insists on; what a close says is an error.
    pub async fn next(&mut self) -> Result<Value> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.context("nothing came")?.context("the socket ended")??;
            match message {
                Message::Text(text) => {
                    ensure!(text.len() <= 1 << 20, "a message of {} bytes", text.len());
                    let value: Value = serde_json::from_str(&text)?;
                    ensure!(value["target"] == "SDK" && value["data"].is_object(), "{value}");
                    ensure!(
                        ["invocationId", "source"].iter().all(|name| value[name].as_str().is_some_and(|text| !text.is_empty())),
                        "{value}"
                    );
                    return Ok(value);
                }
                Message::Close(frame) => anyhow::bail!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next answer to `id`, passing over others.
    pub async fn answer(&mut self, id: &str) -> Result<Value> {
        loop {
            let message = self.next().await?;
            if message["invocationId"] == id {
                return Ok(message["data"].clone());
            }
        }
    }

    /// Code and reason with which the server closes.
    pub async fn closed(&mut self) -> Result<(u16, String)> {
        loop {
            let message =
                tokio::time::timeout(PATIENCE, self.0.next()).await.context("it was not closed")?.context("ended without a word")?;
            if let Message::Close(Some(frame)) = message? {
                return Ok((frame.code.into(), frame.reason.to_string()));
            }
        }
    }
}
