//! A server that answers what a test tells it to, and keeps what it was asked.

use futures::future::BoxFuture;
use futures::{FutureExt, SinkExt, StreamExt};
use roadstead_sdk::AgentBay;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// One request as it arrived; query and form parameters stand in one map.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) form: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

impl Request {
    pub(crate) fn action(&self) -> &str {
        self.query.get("Action").map_or("", String::as_str)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.get(name).or_else(|| self.query.get(name)).map(String::as_str)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The arguments of a `CallMcpTool`.
    pub(crate) fn args(&self) -> serde_json::Value {
        serde_json::from_str(self.field("Args").unwrap_or_default()).unwrap_or_default()
    }
}

/// An answer: status and body, after a pause.
pub(crate) struct Reply(pub(crate) u16, pub(crate) String, pub(crate) Duration);

/// An agreement to speak WebSocket.
pub(crate) fn upgrade() -> Reply {
    Reply(101, String::new(), Duration::ZERO)
}

pub(crate) fn ok(data: serde_json::Value) -> Reply {
    let body = serde_json::json!({"RequestId": "req-1", "Success": true, "Code": "ok", "HttpStatusCode": 200, "Data": data});
    Reply(200, body.to_string(), Duration::ZERO)
}

pub(crate) fn refused(status: u16, code: &str) -> Reply {
    let body = serde_json::json!({"RequestId": "req-err", "Success": false, "Code": code, "Message": "because", "HttpStatusCode": status});
    Reply(status, body.to_string(), Duration::ZERO)
}

pub(crate) fn tool(text: &str, is_error: bool) -> Reply {
    ok(serde_json::json!({"content": [{"type": "text", "text": text}], "isError": is_error}))
}

type Answer = dyn Fn(&Request) -> Reply + Send + Sync;
type OnSocket = dyn Fn(Request, Socket) -> BoxFuture<'static, ()> + Send + Sync;

/// The server's end of a WebSocket.
pub(crate) struct Socket(WebSocketStream<BufReader<TcpStream>>);

impl Socket {
    /// The next message that is not about the connection itself; `None` when the client has gone.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        while let Some(Ok(message)) = self.0.next().await {
            if matches!(message, Message::Text(_) | Message::Binary(_)) {
                return Some(message);
            }
        }
        None
    }

    pub(crate) async fn json(&mut self) -> serde_json::Value {
        let message = self.next().await.expect("a message");
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    pub(crate) async fn say(&mut self, json: serde_json::Value) {
        // A client that went away is for the test to notice.
        let _ = self.0.send(Message::text(json.to_string())).await;
    }

    pub(crate) async fn bytes(&mut self, channel: u8, bytes: &[u8]) {
        let _ = self.0.send(Message::binary([&[channel], bytes].concat())).await;
    }

    pub(crate) async fn close(mut self) {
        let _ = self.0.close(None).await;
    }
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    more: Notify,
}

/// Ends with the test.
pub(crate) struct Stub {
    pub(crate) port: u16,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    pub(crate) async fn new(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_sockets(answer, |_, _| async {}).await
    }

    /// One that also lets a test play with each WebSocket.
    pub(crate) async fn with_sockets<F: Future<Output = ()> + Send + 'static>(
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
        on_socket: impl Fn(Request, Socket) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let (answer, kept): (Arc<Answer>, _) = (Arc::new(answer), seen.clone());
        let on_socket: Arc<OnSocket> = Arc::new(move |request, socket| on_socket(request, socket).boxed());
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, answer.clone(), on_socket.clone(), kept.clone()));
            }
        });
        Self { port, seen, task }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn client(&self) -> AgentBay {
        AgentBay::builder().api_key("akm-test").endpoint(self.endpoint()).timeout(Duration::from_secs(5)).build().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    pub(crate) fn actions(&self) -> Vec<String> {
        self.seen().iter().map(|request| request.action().to_owned()).collect()
    }

    /// Waits until a request with this action has come, which a dropped handle sends in the background.
    pub(crate) async fn expect(&self, action: &str) -> Request {
        self.expect_where(action, |request| request.action() == action).await
    }

    /// Waits until such a request has come.
    pub(crate) async fn expect_where(&self, what: &str, wanted: impl Fn(&Request) -> bool) -> Request {
        let found = tokio::time::timeout(Duration::from_secs(5), async {
            loop {
                let mut more = std::pin::pin!(self.seen.more.notified());
                more.as_mut().enable();
                if let Some(request) = self.seen().into_iter().find(&wanted) {
                    return request;
                }
                more.await;
            }
        });
        found.await.unwrap_or_else(|_| panic!("no {what} among {:?}", self.actions()))
    }
}

async fn serve(socket: TcpStream, answer: Arc<Answer>, on_socket: Arc<OnSocket>, seen: Arc<Seen>) {
    let mut socket = BufReader::new(socket);
    while let Some(request) = read(&mut socket).await {
        seen.requests.lock().unwrap().push(request.clone());
        seen.more.notify_waiters();
        let Reply(status, body, pause) = answer(&request);
        if status == 101 {
            let accept = derive_accept_key(request.headers["sec-websocket-key"].as_bytes());
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nx-request-id: req-ws\r\nsec-websocket-accept: {accept}\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            return on_socket(request, Socket(WebSocketStream::from_raw_socket(socket, Role::Server, None).await)).await;
        }
        tokio::time::sleep(pause).await;
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        if socket.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(socket: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    socket.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request { method, ..Request::default() };
    loop {
        line.clear();
        socket.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let body = if request.headers.contains_key("transfer-encoding") {
        read_chunks(socket).await?
    } else {
        let mut body = vec![0; request.headers.get("content-length").map_or(0, |text| text.parse().unwrap())];
        socket.read_exact(&mut body).await.ok()?;
        body
    };
    request.body = String::from_utf8_lossy(&body).into_owned();
    request.bytes = body;

    let url = url::Url::parse(&format!("http://stub{target}")).unwrap();
    request.path = url.path().to_owned();
    request.query = url.query_pairs().into_owned().collect();
    if request.headers.get("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        let form = url::Url::parse(&format!("http://stub/?{}", request.body)).unwrap();
        request.form = form.query_pairs().into_owned().collect();
    }
    Some(request)
}

/// `None` when the body breaks off.
async fn read_chunks(socket: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        socket.read_exact(&mut chunk).await.ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}
