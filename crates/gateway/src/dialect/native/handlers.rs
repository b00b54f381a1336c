//! The handlers, by what they are about.

pub(super) mod contexts;
pub(super) mod files;
pub(super) mod keys;
pub(super) mod server;
pub(super) mod sessions;
pub(super) mod tools;

use super::Caller;
use super::problem::Problem;
use axum::extract::Request;
use serde::de::DeserializeOwned;
use std::time::Duration;
use types::{ErrorCode, Fault, SessionId};

/// What a handler returns: an answer, or a failure in this dialect's words.
pub(super) type Reply<T> = Result<T, Problem>;

impl Caller {
    /// Waits for the engine, at most `limit`.
    pub(super) async fn ask<T>(&self, limit: Duration, work: impl Future<Output = Result<T, Fault>>) -> Reply<T> {
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
    pub(super) async fn ask_soon<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Reply<T> {
        self.ask(self.app.timeouts.call, work).await
    }

    /// The JSON body of a request.
    async fn json<T: DeserializeOwned>(&self, request: Request) -> Reply<T> {
        self.json_within(request, self.app.limits.body).await
    }

    /// The JSON body of a request, at most `limit` bytes long.
    async fn json_within<T: DeserializeOwned>(&self, request: Request, limit: usize) -> Reply<T> {
        let taken = self.app.admission.body(request.into_body(), limit, self.app.timeouts.body).await.map_err(Problem::from)?;
        serde_json::from_slice(&taken.bytes)
            .map_err(|error| Problem::invalid(format!("the request body is not the JSON expected here: {error}")))
    }
}

/// An id out of the path. A text that no such object can have names nothing.
fn id<T: std::str::FromStr>(kind: &str, text: &str) -> Reply<T> {
    let shown: String = text.chars().take(80).collect();
    text.parse().map_err(|_| Problem::from_fault(&Fault::not_found(format!("{kind} {shown:?} does not exist"))))
}

/// A session's id out of the path, noted in the request's trail.
pub(super) fn session_id(caller: &Caller, text: &str) -> Reply<SessionId> {
    let id = id("session", text)?;
    caller.trail.session(&id);
    Ok(id)
}
