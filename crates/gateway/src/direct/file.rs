//! Whole files of any length over the direct route: as streams to and from the guest, never held here as a whole on the way
//! out, and on the way in only as what the client sent.

use super::answer::{self, Told};
use super::body::{Call, content::Content};
use super::token::Holder;
use super::utf8::Pieces;
use crate::app::App;
use crate::limits::Room;
use crate::request::Trail;
use crate::tool::ToolText;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::Response;
use protocol::StreamOpen;
use protocol::packet::Packet;
use protocol::streams::{FileReadOpen, FileReadOutput, FileWriteInput, FileWriteOpen, FileWriteOutput};
use protocol::tools::filesystem::{ContentFormat, READ_FILE, ReadFileArgs, WriteMode};
use runtime::PacketStream;
use serde::Deserialize;
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use types::{Fault, SandboxUser};

/// Pieces of an answer that wait for the client.
const AHEAD: usize = 4;

/// Whether a call reads a file from its beginning to its end.
pub(super) fn is_whole_read(call: &Call) -> bool {
    call.tool == READ_FILE && read_args(call).is_some_and(|args| args.offset == 0 && args.length == 0)
}

/// Sends a file as it comes. A file that cannot be opened is told as the call's failure; one that breaks off breaks the
/// answer off, because its beginning must not pass for the whole.
pub(super) async fn read(app: &Arc<App>, trail: &Trail, holder: Holder, call: &Call) -> Result<Response<Body>, Box<Told>> {
    let told = |fault: Fault| Box::new(super::call::failed(trail, &fault));
    let args = read_args(call).expect("looked at before");
    let open = FileReadOpen { user: SandboxUser::default(), path: absolute(&args.path), offset: 0, length: None };
    let opening = app.control.open_packets(&holder.cx, &holder.session, StreamOpen::ReadFile(open));
    let mut packets = opening.await.map_err(told)?;
    match next::<FileReadOutput>(&mut packets, app.timeouts.call).await {
        Ok(Read::Message(FileReadOutput::Opened { .. })) => {}
        Ok(Read::Message(FileReadOutput::Failed { error })) => return Err(Box::new(failure(error.message))),
        Ok(_) => return Err(told(Fault::internal("reading a file", io::Error::other("the guest did not begin with the file's size")))),
        Err(error) => return Err(told(Fault::internal("reading a file", error))),
    }
    let (sender, pieces) = mpsc::channel(AHEAD);
    let (head, tail) = answer::around_text(trail.request());
    let (time, piece_time) = (app.timeouts.direct, app.timeouts.body);
    app.work.spawn(async move {
        let pump = pump(&mut packets, Encoder::new(args.format), &sender, piece_time);
        let whole = async {
            send(&sender, head, piece_time).await?;
            pump.await?;
            send(&sender, tail, piece_time).await
        };
        let ended = tokio::time::timeout(time, whole).await.unwrap_or_else(|_| Err(late("the transfer", time)));
        if let Err(error) = ended {
            tracing::info!(request = %holder.cx.request, session = %holder.session, %error, "a file was not read to its end");
            // Without room the client is not reading, and hears of it by the end of the answer all the same.
            let _ = sender.try_send(Err(error));
        }
        drop(holder.share);
    });
    let pieces = futures::stream::unfold(pieces, |mut pieces| async move { pieces.recv().await.map(|piece| (piece, pieces)) });
    Ok(answer::respond(Body::from_stream(pieces)))
}

/// Writes a text that has come in whole.
pub(super) async fn write(app: &App, holder: &Holder, call: &Call, mut content: Content, room: Room) -> Told {
    let args = match write_args(call) {
        Ok(args) => args,
        Err(error) => return failure(error.to_string()),
    };
    if args.format == ContentFormat::Binary {
        return failure(format!("{} bytes of base64 are too many for one call; write them in parts (mode append)", content.len()));
    }
    let open = FileWriteOpen { user: SandboxUser::default(), path: absolute(&args.path), mode: args.mode, permissions: None };
    let mut packets = match app.control.open_packets(&holder.cx, &holder.session, StreamOpen::WriteFile(open)).await {
        Ok(packets) => packets,
        Err(fault) => return Told::fault(&fault),
    };
    let time = app.timeouts.body;
    let sent = async {
        while let Some(piece) = content.next() {
            within(time, packets.send(Packet::Data(piece))).await?;
        }
        within(time, packets.send(Packet::message(&FileWriteInput::End)?)).await
    };
    // A guest that cannot go on says why before it closes.
    let sent: io::Result<()> = sent.await;
    let answered = next::<FileWriteOutput>(&mut packets, app.timeouts.call).await;
    drop(room);
    match (answered, sent) {
        (Ok(Read::Message(FileWriteOutput::Written { bytes })), Ok(())) => {
            Told::result(ToolText { text: format!("Wrote {bytes} bytes to {}", args.path), is_error: false })
        }
        (Ok(Read::Message(FileWriteOutput::Failed { error })), _) => failure(error.message),
        (_, Err(error)) | (Err(error), _) => Told::fault(&Fault::internal("writing a file", error)),
        (Ok(_), Ok(())) => Told::fault(&Fault::internal("writing a file", io::Error::other("the guest did not say how it went"))),
    }
}

#[derive(Deserialize)]
struct WriteArgs {
    path: String,
    #[serde(default)]
    mode: WriteMode,
    #[serde(default)]
    format: ContentFormat,
}

fn write_args(call: &Call) -> Result<WriteArgs, serde_json::Error> {
    serde_json::from_value(without_nulls(call))
}

fn read_args(call: &Call) -> Option<ReadFileArgs> {
    // What is wrong with the arguments is the guest's to say.
    serde_json::from_value(without_nulls(call)).ok()
}

fn without_nulls(call: &Call) -> Value {
    call.args.iter().flatten().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Paths of tools may be relative to the user's home; those of streams may not.
fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", SandboxUser::default().home()) }
}

fn failure(text: impl Into<String>) -> Told {
    Told::result(ToolText { text: text.into(), is_error: true })
}

/// Bytes of a file as they stand within a JSON string.
enum Encoder {
    Text(Pieces),
    /// What is left of three bytes.
    Binary(Vec<u8>),
}

impl Encoder {
    fn new(format: ContentFormat) -> Self {
        match format {
            ContentFormat::Text => Self::Text(Pieces::default()),
            ContentFormat::Binary => Self::Binary(Vec::new()),
        }
    }

    fn encode(&mut self, bytes: &[u8]) -> Bytes {
        match self {
            Self::Text(pieces) => answer::within_string(&pieces.lossy(bytes)),
            Self::Binary(left) => {
                // Three bytes are four letters, whatever piece they came in.
                let missing = if left.is_empty() { 0 } else { 3 - left.len() };
                let (first, bytes) = bytes.split_at(missing.min(bytes.len()));
                left.extend_from_slice(first);
                let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4 + 4);
                if left.len() == 3 {
                    STANDARD.encode_string(std::mem::take(left), &mut text);
                }
                let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % 3);
                STANDARD.encode_string(whole, &mut text);
                left.extend_from_slice(rest);
                text.into()
            }
        }
    }

    fn end(&mut self) -> Bytes {
        match self {
            Self::Text(pieces) => answer::within_string(&String::from_utf8_lossy(&pieces.rest())),
            Self::Binary(left) => STANDARD.encode(std::mem::take(left)).into(),
        }
    }
}

async fn pump(
    packets: &mut PacketStream,
    mut encoder: Encoder,
    sender: &mpsc::Sender<io::Result<Bytes>>,
    time: Duration,
) -> io::Result<()> {
    let mut count = 0;
    loop {
        match next::<FileReadOutput>(packets, time).await? {
            Read::Data(bytes) => {
                count += bytes.len() as u64;
                send(sender, encoder.encode(&bytes), time).await?;
            }
            Read::Message(FileReadOutput::Ended { bytes }) if bytes == count => return send(sender, encoder.end(), time).await,
            Read::Message(FileReadOutput::Failed { error }) => return Err(io::Error::other(error.message)),
            Read::Message(other) => return Err(io::Error::other(format!("after {count} bytes the guest said {other:?}"))),
        }
    }
}

async fn send(sender: &mpsc::Sender<io::Result<Bytes>>, piece: Bytes, time: Duration) -> io::Result<()> {
    let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the client left");
    if piece.is_empty() { Ok(()) } else { within(time, async { sender.send(Ok(piece)).await.map_err(gone) }).await }
}

enum Read<T> {
    Data(Bytes),
    Message(T),
}

async fn next<T: serde::de::DeserializeOwned>(packets: &mut PacketStream, time: Duration) -> io::Result<Read<T>> {
    let broken = || io::Error::new(io::ErrorKind::UnexpectedEof, "the session broke the transfer off");
    let packet = within(time, async { packets.next().await.unwrap_or_else(|| Err(broken())) }).await?;
    match packet {
        Packet::Data(bytes) => Ok(Read::Data(bytes)),
        message => Ok(Read::Message(message.parse()?)),
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| Err(late("a piece", time)))
}

fn late(what: &str, time: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} took longer than {} s", time.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_does_not_care_where_a_file_is_cut() {
        let bytes: Vec<u8> = (0..20).collect();
        for (first, second) in (0..=20).flat_map(|first| (first..=20).map(move |second| (first, second))) {
            let mut encoder = Encoder::new(ContentFormat::Binary);
            let mut text = Vec::new();
            for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                text.extend_from_slice(&encoder.encode(piece));
            }
            text.extend_from_slice(&encoder.end());
            assert_eq!(text, STANDARD.encode(&bytes).into_bytes(), "{first} {second}");
        }
    }
}
