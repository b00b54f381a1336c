//! Files of any length, piped in and out of a session and never held.

use super::{Reply, session_id};
use crate::dialect::native::Caller;
use crate::dialect::native::problem::Problem;
use crate::dialect::native::wire::{FileQuery, Wrote};
use crate::limits::{self, BodyError};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, Request, rejection::QueryRejection};
use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use http::{Response, header};
use http_body_util::BodyExt;
use protocol::StreamOpen;
use protocol::packet::Packet;
use protocol::streams::{FileReadOpen, FileReadOutput, FileWriteInput, FileWriteOpen, FileWriteOutput};
use protocol::tools::filesystem::WriteMode;
use runtime::PacketStream;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::timeout;
use types::{ErrorCode, Fault, SessionId};

/// Bytes of a body that go into the session at once.
const BATCH: usize = 128 << 10;
/// Carries a file's permission bits, octal.
const MODE_HEADER: &str = "x-roadstead-mode";
type Parameters = Result<Query<FileQuery>, QueryRejection>;

/// A file's bytes, or a range of them.
///
/// The answer has a `Content-Length` when it is known before the bytes are, and `x-roadstead-mode` with the permission bits
/// in octal. When reading fails in the middle, the connection is broken off: a body that ends as HTTP ends bodies is whole.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/files",
    params(("id" = String, Path), FileQuery),
    responses((status = 200, description = "The bytes.", body = Vec<u8>, content_type = "application/octet-stream"))
)]
pub(in super::super) async fn read(caller: Caller, Path(id): Path<String>, query: Parameters) -> Reply<Response<Body>> {
    let id = session_id(&caller, &id)?;
    let query = parameters(query)?;
    query.only("reading a file", &["offset", "length"]).map_err(Problem::invalid)?;
    let wanted = FileReadOpen { user: query.user, path: query.path, offset: query.offset.unwrap_or(0), length: query.length };
    let (offset, length) = (wanted.offset, wanted.length);
    let mut packets = open(&caller, &id, StreamOpen::ReadFile(wanted)).await?;
    let (size, mode) = match message(&caller, &id, &mut packets).await? {
        FileReadOutput::Opened { size, mode } => (size, mode),
        FileReadOutput::Failed { error } => return Err(Problem::from_tool(&error)),
        FileReadOutput::Ended { .. } => return Err(told(&caller, broken(&id))),
    };
    let start = Start::read(&caller, &id, &mut packets).await?;
    let known = match &start {
        Start::Whole(bytes) => Some(bytes.len() as u64),
        // A file of the kernel's says that it is empty, and is not.
        Start::Part(_) => Some(size.saturating_sub(offset).min(length.unwrap_or(u64::MAX))).filter(|known| *known > 0),
    };
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(MODE_HEADER, format!("{:04o}", mode & 0o7777));
    if let Some(known) = known {
        response = response.header(header::CONTENT_LENGTH, known);
    }
    let body = match start {
        Start::Whole(bytes) => Body::from(bytes),
        Start::Part(first) => piped(caller, packets, first, known)?,
    };
    Ok(response.body(body).expect("the headers are numbers and constants"))
}

/// Writes a file from the request's body, as it is; missing parent directories are made.
///
/// With `overwrite` (the default) the file is replaced as a whole at the end: a body that breaks off leaves it as it was. With
/// `append` the bytes are in the file as they come.
#[utoipa::path(
    put,
    path = "/v1/sessions/{id}/files",
    params(("id" = String, Path), FileQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Wrote))
)]
pub(in super::super) async fn write(caller: Caller, Path(id): Path<String>, query: Parameters, request: Request) -> Reply<Json<Wrote>> {
    let id = session_id(&caller, &id)?;
    let query = parameters(query)?;
    query.only("writing a file", &["mode", "permissions"]).map_err(Problem::invalid)?;
    let permissions = query.permissions().map_err(Problem::invalid)?;
    let mode = if query.append().map_err(Problem::invalid)? { WriteMode::Append } else { WriteMode::Overwrite };
    let wanted = FileWriteOpen { user: query.user, path: query.path, mode, permissions };
    let packets = open(&caller, &id, StreamOpen::WriteFile(wanted)).await?;
    let mut body = request.into_body();
    match pour(&caller, &id, &mut body, packets).await? {
        FileWriteOutput::Written { bytes } => Ok(Json(Wrote { bytes })),
        FileWriteOutput::Failed { error } => {
            limits::discard(&mut body).await;
            Err(Problem::from_tool(&error))
        }
    }
}

/// The beginning of a file.
enum Start {
    /// It was all of it.
    Whole(Bytes),
    /// More is to come.
    Part(Vec<Bytes>),
}

impl Start {
    /// Looks one packet ahead: small files, and those whose size the kernel makes up, are whole by then.
    async fn read(caller: &Caller, id: &SessionId, packets: &mut PacketStream) -> Reply<Self> {
        let mut first = Vec::new();
        while first.len() < 2 {
            match next(caller, id, packets).await? {
                Packet::Data(bytes) => first.push(bytes),
                last => match parse(caller, id, &last)? {
                    FileReadOutput::Ended { bytes } => {
                        let whole = first.pop().unwrap_or_default();
                        let complete = first.is_empty() && whole.len() as u64 == bytes;
                        return if complete { Ok(Self::Whole(whole)) } else { Err(told(caller, broken(id))) };
                    }
                    FileReadOutput::Failed { error } => return Err(Problem::from_tool(&error)),
                    FileReadOutput::Opened { .. } => return Err(told(caller, broken(id))),
                },
            }
        }
        Ok(Self::Part(first))
    }
}

/// A body that ends well only when the session said so.
fn piped(caller: Caller, packets: PacketStream, first: Vec<Bytes>, known: Option<u64>) -> Reply<Body> {
    // The request's own place ends with its head; the body goes on.
    let place = caller.app.admission.request().map_err(|fault| Problem::from_fault(&fault))?;
    let (pieces, rest) = mpsc::channel(1);
    let tracker = caller.app.work.clone();
    tracker.spawn(async move {
        if let Err(error) = feed(&caller, packets, first, known, &pieces).await {
            tracing::info!(request = %caller.trail.request(), error, "a file on its way out of a session broke off");
        }
        drop((caller, place));
    });
    let pull = async |mut rest: mpsc::Receiver<Piece>| match rest.recv().await {
        Some(Piece::Bytes(bytes)) => Some((Ok(bytes), rest)),
        Some(Piece::End) => None,
        None => Some((Err(std::io::Error::other("the file broke off")), rest)),
    };
    Ok(Body::from_stream(futures::stream::unfold(rest, pull)))
}

/// Part of a body.
enum Piece {
    Bytes(Bytes),
    /// There is no more.
    End,
}

/// Hands on what the session sends, at most `known` bytes: a file that grows meanwhile is as it was when it was opened.
async fn feed(
    caller: &Caller,
    mut packets: PacketStream,
    first: Vec<Bytes>,
    known: Option<u64>,
    pieces: &mpsc::Sender<Piece>,
) -> Result<(), &'static str> {
    let silence = caller.app.timeouts.silence;
    let send = async |piece| match timeout(silence, pieces.send(piece)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err("the client has gone"),
        Err(_) => Err("the client took nothing for too long"),
    };
    let (mut first, mut sent) = (first.into_iter(), 0);
    loop {
        let packet = match first.next() {
            Some(bytes) => Packet::Data(bytes),
            None => match timeout(silence, packets.next()).await {
                Ok(Some(Ok(packet))) => packet,
                Ok(Some(Err(_)) | None) => return Err("the session broke off"),
                Err(_) => return Err("the session sent nothing for too long"),
            },
        };
        match packet {
            Packet::Data(mut bytes) => {
                bytes.truncate(usize::try_from(known.map_or(u64::MAX, |known| known - sent)).unwrap_or(usize::MAX));
                sent += bytes.len() as u64;
                send(Piece::Bytes(bytes)).await?;
                if known == Some(sent) {
                    return send(Piece::End).await;
                }
            }
            last => match last.parse() {
                Ok(FileReadOutput::Ended { bytes }) if bytes == sent && known.is_none() => return send(Piece::End).await,
                _ => return Err("the file could not be read to its end"),
            },
        }
    }
}

/// Sends a request's body into a session and returns what that came to.
async fn pour(caller: &Caller, id: &SessionId, body: &mut Body, packets: PacketStream) -> Reply<FileWriteOutput> {
    let silence = caller.app.timeouts.silence;
    let (mut into, mut out_of) = packets.split();
    // Bodies come in pieces of a TLS record; a packet for each would cost the session more than its bytes do.
    let mut batch = BytesMut::with_capacity(BATCH);
    loop {
        let frame = tokio::select! {
            early = out_of.next() => return answer(caller, id, early),
            frame = timeout(silence, body.frame()) => frame.map_err(|_| BodyError::TooSlow { seconds: silence.as_secs() })?,
        };
        let is_last = frame.is_none();
        if let Some(frame) = frame {
            let Ok(bytes) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
            batch.extend_from_slice(&bytes);
        }
        while batch.len() >= BATCH || is_last && !batch.is_empty() {
            let piece = Packet::Data(batch.split_to(batch.len().min(BATCH)).freeze());
            if !matches!(timeout(silence, into.send(piece)).await, Ok(Ok(()))) {
                // Whoever takes no more has said why.
                return last_word(caller, id, &mut out_of).await;
            }
        }
        if is_last {
            break;
        }
    }
    let end = Packet::message(&FileWriteInput::End).map_err(|error| told(caller, Fault::internal("ending a file", error)))?;
    // Should this fail, the session has said why.
    let _ = into.send(end).await;
    last_word(caller, id, &mut out_of).await
}

async fn last_word(
    caller: &Caller,
    id: &SessionId,
    packets: &mut (impl futures::Stream<Item = std::io::Result<Packet>> + Unpin),
) -> Reply<FileWriteOutput> {
    let said = timeout(caller.app.timeouts.call, packets.next()).await;
    answer(caller, id, said.map_err(|_| told(caller, late(id)))?)
}

fn answer(caller: &Caller, id: &SessionId, said: Option<std::io::Result<Packet>>) -> Reply<FileWriteOutput> {
    match said {
        Some(Ok(packet)) => parse(caller, id, &packet),
        Some(Err(error)) => Err(told(caller, broken(id).with_source(error))),
        None => Err(told(caller, broken(id))),
    }
}

async fn open(caller: &Caller, id: &SessionId, wanted: StreamOpen) -> Reply<PacketStream> {
    caller.ask_soon(caller.app.control.open_packets(&caller.cx, id, wanted)).await
}

async fn message<T: DeserializeOwned>(caller: &Caller, id: &SessionId, packets: &mut PacketStream) -> Reply<T> {
    let packet = next(caller, id, packets).await?;
    parse(caller, id, &packet)
}

async fn next(caller: &Caller, id: &SessionId, packets: &mut PacketStream) -> Reply<Packet> {
    match timeout(caller.app.timeouts.call, packets.next()).await {
        Ok(Some(Ok(packet))) => Ok(packet),
        Ok(Some(Err(error))) => Err(told(caller, broken(id).with_source(error))),
        Ok(None) => Err(told(caller, broken(id))),
        Err(_) => Err(told(caller, late(id))),
    }
}

fn parse<T: DeserializeOwned>(caller: &Caller, id: &SessionId, packet: &Packet) -> Reply<T> {
    packet.parse().map_err(|error| told(caller, broken(id).with_source(error)))
}

fn parameters(query: Parameters) -> Reply<FileQuery> {
    query.map(|Query(query)| query).map_err(|error| Problem::invalid(error.body_text()))
}

fn broken(id: &SessionId) -> Fault {
    Fault::new(ErrorCode::Unavailable, format!("the connection into session {id} broke off; try again"))
}

fn late(id: &SessionId) -> Fault {
    Fault::new(ErrorCode::DeadlineExceeded, format!("session {id} did not answer in time; look at the file before trying again"))
}

fn told(caller: &Caller, fault: Fault) -> Problem {
    caller.trail.fault(&fault);
    Problem::from_fault(&fault)
}
