//! A server that answers what a test tells it to, and keeps what it was asked.

use roadstead_sdk::AgentBay;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// One request as it arrived; query and form parameters stand in one map.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) form: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let (answer, kept): (Arc<Answer>, _) = (Arc::new(answer), seen.clone());
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, answer.clone(), kept.clone()));
            }
        });
        Self { port, seen, task }
    }

    pub(crate) fn client(&self) -> AgentBay {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        AgentBay::builder().api_key("akm-test").endpoint(endpoint).timeout(Duration::from_secs(5)).build().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    pub(crate) fn actions(&self) -> Vec<String> {
        self.seen().iter().map(|request| request.action().to_owned()).collect()
    }

    /// Waits until a request with this action has come, which a dropped handle sends in the background.
    pub(crate) async fn expect(&self, action: &str) -> Request {
        let found = tokio::time::timeout(Duration::from_secs(5), async {
            loop {
                let more = self.seen.more.notified();
                if let Some(request) = self.seen().into_iter().find(|request| request.action() == action) {
                    return request;
                }
                more.await;
            }
        });
        found.await.unwrap_or_else(|_| panic!("no {action} among {:?}", self.actions()))
    }
}

async fn serve(socket: TcpStream, answer: Arc<Answer>, seen: Arc<Seen>) {
    let mut socket = BufReader::new(socket);
    while let Some(request) = read(&mut socket).await {
        seen.requests.lock().unwrap().push(request.clone());
        seen.more.notify_waiters();
        let Reply(status, body, pause) = answer(&request);
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
    let length = request.headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).unwrap();

    let url = url::Url::parse(&format!("http://stub{target}")).unwrap();
    request.path = url.path().to_owned();
    request.query = url.query_pairs().into_owned().collect();
    if request.headers.get("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        let form = url::Url::parse(&format!("http://stub/?{}", request.body)).unwrap();
        request.form = form.query_pairs().into_owned().collect();
    }
    Some(request)
}
