//! Bytes of any length through a request's body or an answer's, never held as a whole.

use crate::app::App;
use crate::limits;
use axum::body::Body;
use bytes::Bytes;
use control::FileRead;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use types::{ErrorCode, Fault, RequestId};

/// A request's body, piece by piece. One whose end nobody waits for is read a little further in the background, so that its
/// client hears the answer.
pub(crate) fn incoming(app: &App, body: Body) -> impl Stream<Item = Result<Bytes, Fault>> + Send + Unpin + 'static {
    let incoming = Incoming { body: Some(body), silence: app.timeouts.silence, work: app.work.clone() };
    Box::pin(futures::stream::unfold(incoming, |mut incoming| async move {
        loop {
            let silence = incoming.silence;
            let piece = match timeout(silence, incoming.body.as_mut()?.frame()).await {
                Ok(None) => {
                    incoming.body.take();
                    return None;
                }
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => Ok(bytes),
                    Err(_trailers) => continue,
                },
                Ok(Some(Err(error))) => {
                    incoming.body.take();
                    Err(Fault::invalid("the request body broke off").with_source(error))
                }
                Err(_) => {
                    let text = format!("nothing of the request body came for {} s", silence.as_secs());
                    Err(Fault::new(ErrorCode::DeadlineExceeded, text))
                }
            };
            return Some((piece, incoming));
        }
    }))
}

/// The length that a request announces.
pub(crate) fn announced(body: &Body) -> Option<u64> {
    http_body::Body::size_hint(body).exact()
}

struct Incoming {
    /// Until it has ended.
    body: Option<Body>,
    silence: Duration,
    work: TaskTracker,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(mut body) = self.body.take() {
            self.work.spawn(async move { limits::discard(&mut body).await });
        }
    }
}

/// A file as an answer's body. It keeps `held` until it is sent, and breaks the connection off when the file does, or when
/// its client takes nothing for too long.
pub(crate) fn outgoing(app: &App, request: &RequestId, file: FileRead, held: impl Send + 'static) -> Body {
    let wanted = file.range.end - file.range.start;
    let (sender, rest) = mpsc::channel(1);
    let (silence, request) = (app.timeouts.silence, request.clone());
    app.work.spawn(async move {
        if let Err(error) = feed(file.bytes, wanted, &sender, silence).await {
            tracing::info!(%request, %error, "a file on its way out broke off");
            // Without room nobody is reading, and who reads later finds no end.
            let _ = sender.try_send(Err(error));
        }
        drop(held);
    });
    let pull = async |mut rest: mpsc::Receiver<std::io::Result<Bytes>>| match rest.recv().await {
        Some(Ok(bytes)) if bytes.is_empty() => None,
        Some(piece) => Some((piece, rest)),
        None => Some((Err(std::io::Error::other("the file broke off")), rest)),
    };
    Body::from_stream(futures::stream::unfold(rest, pull))
}

/// An empty piece says that the file was whole.
async fn feed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    mut bytes: BoxStream<'static, Result<Bytes, E>>,
    wanted: u64,
    sender: &mpsc::Sender<std::io::Result<Bytes>>,
    silence: Duration,
) -> std::io::Result<()> {
    let send = async |piece| match timeout(silence, sender.send(Ok(piece))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(std::io::Error::other("the client has gone")),
        Err(_) => Err(std::io::Error::other("the client took nothing for too long")),
    };
    let mut sent = 0;
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(std::io::Error::other)?;
        if !piece.is_empty() {
            sent += piece.len() as u64;
            send(piece).await?;
        }
    }
    if sent != wanted {
        return Err(std::io::Error::other(format!("{sent} bytes came of {wanted}")));
    }
    send(Bytes::new()).await
}
