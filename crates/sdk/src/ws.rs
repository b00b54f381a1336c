//! WebSockets: opened through the same connections, proxies and trust as every other request.

use crate::transport::{Answer, Transport, nonce, read_body, transport_error};
use crate::{Error, Result};
use futures::{SinkExt, StreamExt};
use reqwest::header::{HeaderMap, HeaderValue};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub(crate) use tokio_tungstenite::tungstenite::Message;

/// Longest message that is read.
const MAX_MESSAGE: usize = 32 << 20;
/// Messages that wait for a connection to take them before their senders wait too.
const WAITING_MESSAGES: usize = 16;
/// Between unasked signs of life on a connection.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

pub(crate) type Socket = WebSocketStream<reqwest::Upgraded>;
pub(crate) type Reader = futures::stream::SplitStream<Socket>;

/// What came of asking for a WebSocket.
pub(crate) enum Opened {
    /// It is one.
    Socket { socket: Box<Socket>, request_id: String },
    /// The server answered otherwise.
    Refused(Answer),
}

/// Asks for a WebSocket, within `limit`. `request` is a GET to an `http` or `https` address.
pub(crate) async fn open(request: reqwest::RequestBuilder, operation: &str, limit: Duration) -> Result<Opened> {
    let key = generate_key();
    let mut headers = HeaderMap::new();
    headers.insert("connection", HeaderValue::from_static("Upgrade"));
    headers.insert("upgrade", HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
    headers.insert("sec-websocket-key", HeaderValue::from_str(&key).map_err(|error| Error::invalid(error.to_string()))?);
    let opening = async {
        let response = request.headers(headers).send().await.map_err(|error| transport_error(operation, limit, error))?;
        if response.status().as_u16() != 101 {
            return read_body(response, operation, limit).await.map(Opened::Refused);
        }
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        if header("sec-websocket-accept").as_deref() != Some(derive_accept_key(key.as_bytes()).as_str()) {
            return Err(Error::unexpected(operation, "the server does not speak WebSocket", None));
        }
        let request_id = header("x-request-id").unwrap_or_default();
        let stream = response.upgrade().await.map_err(|error| transport_error(operation, limit, error))?;
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let socket = Box::new(WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await);
        Ok(Opened::Socket { socket, request_id })
    };
    let late = |_| Error::Timeout { operation: operation.to_owned(), after: limit, request_id: None };
    tokio::time::timeout(limit, opening).await.map_err(late)?
}

/// `ws` and `wss` addresses as those of the requests that open them.
pub(crate) fn request(transport: &Transport, url: &str) -> Result<reqwest::RequestBuilder> {
    let http = match url.split_once("://") {
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(("wss", rest)) => format!("https://{rest}"),
        _ => return Err(Error::invalid(format!("`{url}` is no WebSocket address"))),
    };
    Ok(transport.client(None)?.get(http))
}

/// A task that ends with this.
#[derive(Debug)]
pub(crate) struct Guard(pub(crate) JoinHandle<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The two directions of a socket: what is read here, and where to put what a task of its own writes. Dropping the guard
/// together with the reader closes the connection, whoever still has a sender.
pub(crate) fn split(socket: Socket) -> (Reader, mpsc::Sender<Message>, Guard) {
    let (mut sink, reader) = socket.split();
    let (sender, mut waiting) = mpsc::channel::<Message>(WAITING_MESSAGES);
    let task = tokio::spawn(async move {
        let mut signs = tokio::time::interval_at(tokio::time::Instant::now() + SIGN_OF_LIFE, SIGN_OF_LIFE);
        loop {
            let message = tokio::select! {
                message = waiting.recv() => match message {
                    Some(message) => message,
                    None => return,
                },
                // Pings are answered only as far as the socket is read, which its user may put off.
                _ = signs.tick() => Message::Pong(bytes::Bytes::new()),
            };
            // A reader of the same socket hears of the failure, and can tell it.
            if sink.send(message).await.is_err() {
                return;
            }
        }
    });
    (reader, sender, Guard(task))
}

/// An id for a call on a connection that carries many: 32 hexadecimal digits.
pub(crate) fn invocation_id() -> String {
    nonce()
}
