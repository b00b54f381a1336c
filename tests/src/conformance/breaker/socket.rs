//! A session's WebSocket, message by message.

use super::Way;
use anyhow::{Context, Result, anyhow};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// `GET /direct/ws`: opens the server's socket first, so that what it refuses is refused.
pub(super) async fn open(way: Arc<Way>, mut request: Request) -> Result<Response> {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).context("a handshake without a key")?.clone();
    let mut asked = way.http.get(format!("{}/direct/ws", way.upstream));
    for name in ["connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "x-access-token"] {
        if let Some(value) = request.headers().get(name) {
            asked = asked.header(name, value);
        }
    }
    let answer = asked.send().await.context("asking the server for a socket")?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok((answer.status(), answer.bytes().await?).into_response());
    }
    let server = WebSocketStream::from_raw_socket(answer.upgrade().await?, Role::Client, None).await;
    let upgrading = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let client = WebSocketStream::from_raw_socket(TokioIo::new(upgrading.await?), Role::Server, None).await;
        relay(&way, client, server).await
    });
    let accept = derive_accept_key(key.as_bytes());
    let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).header(header::CONNECTION, "upgrade");
    Ok(answer.header(header::UPGRADE, "websocket").header(header::SEC_WEBSOCKET_ACCEPT, accept).body(Body::empty())?)
}

type Socket<S> = WebSocketStream<S>;

async fn relay<C, S>(way: &Way, mut client: Socket<C>, mut server: Socket<S>) -> Result<()>
where
    C: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut calls = Calls::default();
    loop {
        tokio::select! {
            said = client.next() => match said.ok_or_else(|| anyhow!("the client left"))?? {
                Message::Text(text) => server.send(calls.asked(way, &text)?).await?,
                other => server.send(other).await?,
            },
            told = server.next() => match told.ok_or_else(|| anyhow!("the server left"))?? {
                Message::Text(text) => {
                    for message in calls.told(way, &text)? {
                        client.send(message).await?;
                    }
                }
                other => client.send(other).await?,
            },
        }
    }
}

/// What a client has asked for, by the ids that answers carry.
#[derive(Default)]
struct Calls {
    methods: HashMap<String, String>,
    held: HashMap<String, Vec<Message>>,
}

impl Calls {
    fn asked(&mut self, way: &Way, text: &str) -> Result<Message> {
        let mut frame: Value = serde_json::from_str(text).context("a message that is no JSON")?;
        let method = frame["data"]["method"].as_str().unwrap_or_default().to_owned();
        self.methods.insert(id(&frame), method.clone());
        if way.rule.covers_on("socket", &[method])? {
            way.hit();
            way.rule.change_args(&mut frame["data"]["params"]);
        }
        Ok(Message::text(frame.to_string()))
    }

    /// What the client is told, perhaps nothing yet.
    fn told(&mut self, way: &Way, text: &str) -> Result<Vec<Message>> {
        let mut frame: Value = serde_json::from_str(text).context("a message that is no JSON")?;
        let id = id(&frame);
        let word = |name: &str| frame["data"][name].as_str().unwrap_or_default().to_owned();
        let (phase, event) = (word("phase"), word("eventType"));
        let has_ended = phase == "end" || phase == "error";
        let kind = if event.is_empty() { phase } else { event };
        let names = match self.methods.get(&id) {
            Some(method) => vec![method.clone(), format!("{method}:{kind}")],
            None => vec![kind],
        };
        let is_covered = way.rule.covers_on("socket", &names)?;
        if is_covered {
            way.hit();
            way.rule.change_answer(200, &mut frame)?;
        }
        let message = Message::text(frame.to_string());
        if is_covered && way.rule.hold && !has_ended {
            self.held.entry(id).or_default().push(message);
            return Ok(Vec::new());
        }
        let mut told = if has_ended { self.held.remove(&id).unwrap_or_default() } else { Vec::new() };
        told.push(message);
        Ok(told)
    }
}

fn id(frame: &Value) -> String {
    frame["invocationId"].as_str().unwrap_or_default().to_owned()
}
