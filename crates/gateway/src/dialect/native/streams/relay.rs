//! Carries packets between a client's WebSocket and a session, in both directions, each no faster than its reader.

use super::wire::Kind;
use crate::dialect::native::Caller;
use crate::web_socket::{self, Gone, Incoming, Lost, Outgoing, Said};
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use protocol::packet::{MAX_PACKET, Packet};
use runtime::PacketStream;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use types::Fault;

/// How a stream ended.
#[derive(Debug)]
pub(super) enum End {
    /// The session said its last message, and the client has it.
    Said,
    /// Nothing more comes from the client.
    Lost(Lost),
    /// The client said what it may not say.
    Refused(String),
    /// It could not be opened.
    Failed(Fault),
    /// The session's side ended without a last message.
    Broken,
    /// The server is stopping.
    Draining,
}

/// Channel byte of standard input, standard output and terminals.
const DATA: u8 = 1;
/// Channel byte of standard error.
const STDERR: u8 = 2;
/// The kinds of message after which a session says nothing more.
const LAST: [&str; 3] = ["exited", "ended", "failed"];

/// Carries until one side ends it. The stream into the session is closed by then, which ends what must not outlive it.
pub(super) async fn relay(caller: &Caller, kind: Kind, packets: PacketStream, incoming: &mut Incoming, outgoing: &mut Outgoing) -> End {
    let (into, out_of) = packets.split();
    tokio::select! {
        end = outward(out_of, outgoing) => end,
        end = inward(kind, incoming, into) => end,
        fault = web_socket::revoked(&caller.app, &caller.cx.identity) => End::Failed(fault),
        () = caller.app.draining.cancelled() => End::Draining,
    }
}

/// From the session to the client.
async fn outward(mut packets: SplitStream<PacketStream>, outgoing: &mut Outgoing) -> End {
    loop {
        let packet = tokio::select! {
            packet = packets.next() => packet,
            () = outgoing.ping_due() => match outgoing.ping().await {
                Ok(()) => continue,
                Err(Gone) => return End::Lost(Lost::Gone),
            },
        };
        let sent = match packet {
            Some(Ok(Packet::Message(body))) => {
                let Some((text, last)) = readable(body) else { return End::Broken };
                match outgoing.text(text).await {
                    Ok(()) if last => return End::Said,
                    sent => sent,
                }
            }
            Some(Ok(Packet::Data(bytes))) => outgoing.binary(framed(DATA, &bytes)).await,
            Some(Ok(Packet::Stderr(bytes))) => outgoing.binary(framed(STDERR, &bytes)).await,
            Some(Err(error)) => {
                tracing::debug!(%error, "a stream out of a session broke off");
                return End::Broken;
            }
            None => return End::Broken,
        };
        if let Err(Gone) = sent {
            return End::Lost(Lost::Gone);
        }
    }
}

/// From the client to the session.
async fn inward(kind: Kind, incoming: &mut Incoming, mut packets: SplitSink<PacketStream, Packet>) -> End {
    // A program may end before it has read everything. What then still comes is dropped, and whether the client is there
    // is still watched; the session's last word comes the other way.
    let mut open = true;
    loop {
        let ready = match incoming.next().await {
            Err(lost) => return End::Lost(lost),
            Ok(said) => match understood(kind, said) {
                Ok(ready) => ready,
                Err(text) => return End::Refused(text),
            },
        };
        for packet in ready {
            open = open && packets.send(packet).await.is_ok();
        }
    }
}

fn understood(kind: Kind, said: Said) -> Result<Vec<Packet>, String> {
    match said {
        Said::Text(text) => Ok(vec![kind.message(&text)?]),
        Said::Binary(_) if !kind.takes_bytes() => Err("this stream takes no bytes".into()),
        Said::Binary(mut bytes) => {
            if bytes.first() != Some(&DATA) {
                return Err("a binary message must start with the channel byte 1".into());
            }
            let _ = bytes.split_to(1);
            let count = bytes.len().div_ceil(MAX_PACKET);
            Ok((0..count).map(|_| Packet::Data(bytes.split_to(bytes.len().min(MAX_PACKET)))).collect())
        }
    }
}

/// A message as text, and whether it is the last.
fn readable(body: Bytes) -> Option<(Utf8Bytes, bool)> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        kind: std::borrow::Cow<'a, str>,
    }
    let last = LAST.contains(&&*serde_json::from_slice::<Head<'_>>(&body).ok()?.kind);
    Some((Utf8Bytes::try_from(body).ok()?, last))
}

fn framed(channel: u8, bytes: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(1 + bytes.len());
    frame.put_u8(channel);
    frame.put_slice(bytes);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_packets_that_a_guest_takes() {
        let lengths = |length: usize| {
            let mut frame = vec![0; length + 1];
            frame[0] = DATA;
            let packets = understood(Kind::Exec, Said::Binary(frame.into())).unwrap();
            packets.iter().map(|packet| matches!(packet, Packet::Data(bytes) if !bytes.is_empty()).then_some(())).count()
        };
        assert_eq!([0, 1, MAX_PACKET, MAX_PACKET + 1].map(lengths), [0, 1, 1, 2]);
        for (kind, frame) in [(Kind::Exec, &b""[..]), (Kind::Exec, b"\x02x"), (Kind::Pty, b"\0"), (Kind::Watch, b"\x01x")] {
            assert!(understood(kind, Said::Binary(Bytes::from_static(frame))).is_err(), "{kind:?} {frame:?}");
        }
    }

    #[test]
    fn the_last_message_is_known_by_its_kind() {
        let last = |text: &'static str| readable(Bytes::from_static(text.as_bytes())).map(|(_, last)| last);
        assert_eq!(last(r#"{"kind":"exited","exit_code":0}"#), Some(true));
        assert_eq!(last(r#"{"kind":"failed","error":{"code":"busy","message":"x"}}"#), Some(true));
        assert_eq!(last(r#"{"kind":"error","error":{}}"#), Some(false));
        assert_eq!(last(r#"{"kind":"opened","id":"a"}"#), Some(false));
        assert_eq!(last("nonsense"), None);
    }
}
