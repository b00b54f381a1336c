//! Streams into a session: ports, commands, terminals, code, files. Bytes in either direction are activity; a silent open
//! connection is not, save while a command, code or a file transfer runs on it.

use super::call;
use super::work::{Hold, WorkKind};
use crate::OpContext;
use crate::engine::Engine;
use protocol::{StreamOpen, StreamRefusal};
use runtime::{ByteStream, RuntimeError};
use std::io::{IoSlice, Result as IoResult};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use types::{Capability, ErrorCode, Fault, ImageManifest, SessionId};

/// Opens a stream of any kind but the guest's own conversation.
pub(crate) async fn open(engine: &Arc<Engine>, cx: &OpContext, id: &SessionId, open: StreamOpen) -> Result<ByteStream, Fault> {
    let handle = engine.sessions.find(&cx.identity.tenant, id)?;
    let Nature { what, kind, capability } = nature(&open)?;
    check_capability(handle.image.as_deref(), &what, capability)?;
    engine.check_serving()?;
    let hold = handle.admit(kind).await?;
    let limit = engine.config.timings.open_stream;
    let error = match tokio::time::timeout(limit, engine.runtime.open_stream(&handle.sandbox, &open)).await {
        Ok(Ok(stream)) => {
            tracing::debug!(request = %cx.request, session = %handle.id, sandbox = %handle.sandbox, what, "stream open");
            return Ok(Box::new(Held { stream, hold }));
        }
        Ok(Err(error)) => error,
        Err(_) => {
            let text = format!("{what} of session {id} could not be reached within {limit:?}; try again");
            return Err(Fault::new(ErrorCode::Unavailable, text));
        }
    };
    tracing::info!(request = %cx.request, session = %handle.id, sandbox = %handle.sandbox, what, %error, "no stream");
    match (&error, &open) {
        (RuntimeError::Refused { refusal: StreamRefusal::NothingListens, .. }, _) => {
            let text = format!("nothing listens on {what} in session {id}; start the server there and try again");
            Err(Fault::new(ErrorCode::Unavailable, text).with_source(error))
        }
        // The frame is well-formed, so its kind is what the guest does not know.
        (RuntimeError::Refused { refusal: StreamRefusal::BadRequest, .. }, _) => {
            let text = format!("session {id} was made by an older server and does not know this kind of stream; make a new session");
            Err(Fault::new(ErrorCode::Unimplemented, text).with_source(error))
        }
        _ => Err(call::explain(engine, &handle, &format!("connecting to {what}"), error).await),
    }
}

/// Longest command line or program that a stream's head carries, bytes.
const MAX_TEXT: usize = 1 << 20;

/// What a kind of stream means to the engine.
struct Nature {
    what: String,
    kind: WorkKind,
    capability: Option<Capability>,
}

fn nature(open: &StreamOpen) -> Result<Nature, Fault> {
    let nature = |what: &str, kind, capability| Ok(Nature { what: what.to_owned(), kind, capability: Some(capability) });
    let text = match open {
        StreamOpen::Exec(open) => open.command.len(),
        StreamOpen::Code(open) => open.args.code.len(),
        _ => 0,
    };
    if text > MAX_TEXT {
        return Err(Fault::invalid(format!("{text} bytes to run; at most {MAX_TEXT} are taken: write them to a file and run that")));
    }
    match open {
        StreamOpen::Tunnel { port: 0 } => {
            Err(Fault::invalid("port 0 cannot be connected to; name a port between 1 and 65535 that a program in the session listens on"))
        }
        StreamOpen::Tunnel { port } => Ok(Nature { what: format!("port {port}"), kind: WorkKind::Stream, capability: None }),
        StreamOpen::Exec(_) => nature("a command", WorkKind::Call, Capability::Shell),
        StreamOpen::Code(_) => nature("code", WorkKind::Call, Capability::Code),
        StreamOpen::ReadFile(_) | StreamOpen::WriteFile(_) => nature("a file", WorkKind::Call, Capability::Filesystem),
        StreamOpen::Pty(_) => nature("a terminal", WorkKind::Stream, Capability::Shell),
        StreamOpen::Watch(_) => nature("a directory", WorkKind::Stream, Capability::Filesystem),
        StreamOpen::Mcp { .. } => Err(Fault::new(ErrorCode::Unimplemented, "tools are called, not streamed")),
    }
}

fn check_capability(image: Option<&ImageManifest>, what: &str, capability: Option<Capability>) -> Result<(), Fault> {
    match (image, capability) {
        (Some(image), Some(needed)) if !image.capabilities.contains(&needed) => {
            let text = format!(
                "image {} cannot run {what}: it lacks the capability {needed:?}; make a session from an image that has it",
                image.id
            );
            Err(Fault::new(ErrorCode::Unimplemented, text))
        }
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct Held {
    stream: ByteStream,
    hold: Hold,
}

impl Held {
    fn note<T>(&self, done: IoResult<T>, moved: impl FnOnce(&T) -> bool) -> Poll<IoResult<T>> {
        if done.as_ref().is_ok_and(moved) {
            self.hold.work().touch();
        }
        Poll::Ready(done)
    }
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<IoResult<()>> {
        let before = buffer.filled().len();
        let done = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.note(done, |()| buffer.filled().len() > before)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        let done = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.note(done, |&count| count > 0)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<IoResult<usize>> {
        let done = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices));
        self.note(done, |&count| count > 0)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
