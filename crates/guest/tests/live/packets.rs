//! The host's end of a packet stream, as tests speak on it.

use crate::host::Host;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use protocol::StreamOpen;
use protocol::packet::{Packet, PacketCodec};
use runtime::{PacketStream, Runtime};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Whatever is waited for comes within this, or the test fails.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// One stream.
pub(crate) struct Packets(pub(crate) PacketStream);

impl Packets {
    /// Opens what `open`, as JSON, asks for.
    pub(crate) async fn open(host: &Host, open: Value) -> Self {
        let open: StreamOpen = serde_json::from_value(open).unwrap();
        let stream = host.runtime.open_stream(&"sb-test".parse().unwrap(), &open).await.unwrap();
        Self(PacketStream::new(stream, PacketCodec))
    }

    /// Runs a command; `more` are further fields of its head.
    pub(crate) async fn exec(host: &Host, command: &str, more: Value) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = format!("call-exec-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut open = json!({ "kind": "exec", "call": { "id": id, "user": "wuying" }, "command": command });
        for (name, value) in more.as_object().unwrap() {
            open[name] = value.clone();
        }
        Self::open(host, open).await
    }

    /// The next packet; `None` at the stream's end.
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        tokio::time::timeout(SOON, self.0.next()).await.expect("a packet or the end in time").and_then(Result::ok)
    }

    /// The next message, whatever bytes come before it.
    pub(crate) async fn message(&mut self) -> Value {
        self.rest().await.2
    }

    /// Standard output and error up to the next message, and that.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, Vec<u8>, Value) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        loop {
            match self.next().await.expect("a message before the end") {
                Packet::Data(bytes) => out.extend(bytes),
                Packet::Stderr(bytes) => err.extend(bytes),
                message => return (out, err, message.parse().unwrap()),
            }
        }
    }

    /// Reads bytes until they contain `text`; returns all of them.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            match self.next().await {
                Some(Packet::Data(bytes)) => seen.push_str(&String::from_utf8_lossy(&bytes)),
                other => panic!("{other:?} before {text:?}; seen: {seen:?}"),
            }
        }
        seen
    }

    pub(crate) async fn data(&mut self, bytes: impl Into<Bytes>) {
        self.0.send(Packet::Data(bytes.into())).await.unwrap();
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.0.send(Packet::message(&message).unwrap()).await.unwrap();
    }
}

/// Waits until `check` holds.
pub(crate) async fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + SOON;
    while !check() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a `sleep` of that many seconds runs anywhere on the machine.
pub(crate) fn sleeps(marker: &str) -> bool {
    let commands = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    commands.into_iter().any(|command| command == format!("sleep\0{marker}\0").as_bytes())
}
