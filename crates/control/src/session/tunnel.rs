//! Connections to ports inside a session. Bytes in either direction are activity; a silent open connection is not.

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
use types::{ErrorCode, Fault, SessionId};

/// Opens a tunnel.
pub(crate) async fn open(engine: &Arc<Engine>, cx: &OpContext, id: &SessionId, port: u16) -> Result<ByteStream, Fault> {
    let handle = engine.sessions.find(&cx.identity.tenant, id)?;
    if port == 0 {
        return Err(Fault::invalid(
            "port 0 cannot be connected to; name a port between 1 and 65535 that a program in the session listens on",
        ));
    }
    engine.check_serving()?;
    let hold = handle.admit(WorkKind::Tunnel).await?;
    let limit = engine.config.timings.open_stream;
    let error = match tokio::time::timeout(limit, engine.runtime.open_stream(&handle.sandbox, &StreamOpen::Tunnel { port })).await {
        Ok(Ok(stream)) => {
            tracing::debug!(request = %cx.request, session = %handle.id, sandbox = %handle.sandbox, port, "tunnel open");
            return Ok(Box::new(Tunnel { stream, hold }));
        }
        Ok(Err(error)) => error,
        Err(_) => {
            let text = format!("port {port} of session {id} could not be reached within {limit:?}; try again");
            return Err(Fault::new(ErrorCode::Unavailable, text));
        }
    };
    tracing::info!(request = %cx.request, session = %handle.id, sandbox = %handle.sandbox, port, %error, "no tunnel");
    if let RuntimeError::Refused { refusal: StreamRefusal::NothingListens, .. } = error {
        let text = format!("nothing listens on port {port} in session {id}; start the server there and try again");
        return Err(Fault::new(ErrorCode::Unavailable, text).with_source(error));
    }
    Err(call::explain(engine, &handle, &format!("connecting to port {port}"), error).await)
}

#[derive(Debug)]
struct Tunnel {
    stream: ByteStream,
    hold: Hold,
}

impl Tunnel {
    fn note<T>(&self, done: IoResult<T>, moved: impl FnOnce(&T) -> bool) -> Poll<IoResult<T>> {
        if done.as_ref().is_ok_and(moved) {
            self.hold.work().touch();
        }
        Poll::Ready(done)
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<IoResult<()>> {
        let before = buffer.filled().len();
        let done = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.note(done, |()| buffer.filled().len() > before)
    }
}

impl AsyncWrite for Tunnel {
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
