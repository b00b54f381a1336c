//! A client's connection as it is served.
//!
//! It has its place among the listener's: whoever it is handed to, it counts until it is closed. And its bytes are
//! acknowledged at once: some SDKs (Java's) leave Nagle's algorithm on and write a request in several pieces; the last,
//! short one then waits for the acknowledgement of those before, which the kernel delays by 40 ms when nothing is sent back.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

/// A client's connection.
#[derive(Debug)]
pub(super) struct Placed {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl Placed {
    pub(super) fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        Self { stream, _place: place }
    }
}

impl AsyncRead for Placed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() {
            // What comes next is waited for. The kernel forgets this again by itself; without it all works, only later.
            let _ = self.stream.set_quickack(true);
        }
        read
    }
}

impl AsyncWrite for Placed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::{Door, serve};
    use super::*;
    use crate::testing::World;
    use axum::body::Body;
    use http::{Request, StatusCode};
    use hyper_util::rt::TokioIo;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn a_connection_that_was_upgraded_keeps_its_place_until_it_is_closed() {
        let world = World::new().await;
        let (cx, session, _) = world.token_session().await;
        let places = Arc::new(Semaphore::new(1));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        let placed = Placed::new(socket.accept().await.unwrap().0, places.clone().acquire_owned().await.unwrap());
        let serving = tokio::spawn(serve(world.app.clone(), Door::Api, None, placed));

        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
        let driver = tokio::spawn(connection.with_upgrades());
        let request = Request::get(format!("/v1/sessions/{session}/streams/exec"))
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", world.key))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
            .body(Body::empty());
        let response = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        driver.await.unwrap().unwrap();

        // HTTP is at its end, the connection is not.
        serving.await.unwrap();
        assert_eq!(places.available_permits(), 0);
        drop(upgraded);
        let free = tokio::time::timeout(Duration::from_secs(10), places.acquire()).await;
        assert!(free.is_ok(), "a closed connection kept its place");
        world.app.control.delete_session(&cx, &session, true).await.unwrap();
    }
}
