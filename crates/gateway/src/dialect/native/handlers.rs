//! The handlers, by what they are about.

pub(super) mod keys;
pub(super) mod server;
pub(super) mod sessions;

use super::Caller;
use super::problem::Problem;
use axum::extract::Request;
use serde::de::DeserializeOwned;
use std::time::Duration;
use types::{ErrorCode, Fault};

/// What a handler returns: an answer, or a failure in this dialect's words.
type Reply<T> = Result<T, Problem>;

impl Caller {
    /// Waits for the engine, at most `limit`.
    async fn ask<T>(&self, limit: Duration, work: impl Future<Output = Result<T, Fault>>) -> Reply<T> {
        let ended = tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let message = format!("the server did not get it done within {} s; ask for the state before trying again", limit.as_secs());
            Err(Fault::new(ErrorCode::DeadlineExceeded, message))
        });
        ended.map_err(|fault| {
            self.trail.fault(&fault);
            Problem::from_fault(&fault)
        })
    }

    /// Waits for the engine as long as any ordinary call may last.
    async fn ask_soon<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Reply<T> {
        self.ask(self.app.timeouts.call, work).await
    }

    /// The JSON body of a request.
    async fn json<T: DeserializeOwned>(&self, request: Request) -> Reply<T> {
        let (limit, time) = (self.app.limits.body, self.app.timeouts.body);
        let taken = self.app.admission.body(request.into_body(), limit, time).await.map_err(Problem::from)?;
        serde_json::from_slice(&taken.bytes)
            .map_err(|error| Problem::invalid(format!("the request body is not the JSON expected here: {error}")))
    }
}

/// An id out of the path. A text that no such object can have names nothing.
fn id<T: std::str::FromStr>(kind: &str, text: &str) -> Reply<T> {
    let shown: String = text.chars().take(80).collect();
    text.parse().map_err(|_| Problem::from_fault(&Fault::not_found(format!("{kind} {shown:?} does not exist"))))
}
