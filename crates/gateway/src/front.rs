//! What every request passes, whatever its dialect: an id, a place, a guard against panics, a line in the log.

mod alive;

use crate::app::App;
use crate::request::Trail;
use axum::body::Body;
use http::{Request, Response};
use std::sync::Arc;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::task::AbortOnDropHandle;
use types::Fault;

/// A protocol that the front door speaks.
pub(crate) trait Dialect: 'static {
    /// Its name in the log.
    const NAME: &'static str;

    /// What becomes of a request while its client waits, from what its head says.
    fn manner(request: &Request<Body>) -> Manner;

    /// Answers a request; failures are answers too.
    fn serve(app: Arc<App>, trail: Arc<Trail>, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;

    /// The answer to a failure outside of [`Dialect::serve`], to a request for `path`.
    fn rescue(fault: &Fault, trail: &Trail, path: &str) -> Response<Body>;
}

/// What becomes of a request while its client waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It is served to its end, whether its client stays or not: a half-made session helps nobody.
    ToItsEnd,
    /// It ends with its client, and so gives its place back: a half-sent page can be dropped, and a call that runs in a
    /// guest goes on there.
    WithClient,
    /// As [`Manner::WithClient`], and meanwhile the client is shown that the server is there.
    #[cfg_attr(not(any(test, feature = "agb")), expect(dead_code, reason = "only AGB's clients read on past blanks"))]
    KeptAlive,
}

/// Lets one request through dialect `D`.
pub(crate) async fn pass<D: Dialect>(app: Arc<App>, request: Request<Body>) -> Response<Body> {
    let trail = Arc::new(Trail::start(D::NAME, &*app.entropy));
    let path = request.uri().path().to_owned();
    let manner = D::manner(&request);
    let every = app.timeouts.sign_of_life;
    let task = match work::<D>(app, trail.clone(), request) {
        Ok(task) => task,
        Err(fault) => {
            trail.fault(&fault);
            let response = D::rescue(&fault, &trail, &path);
            trail.finish(response.status());
            return response;
        }
    };
    match manner {
        Manner::ToItsEnd => end::<D>(task, trail, path).await,
        Manner::WithClient => end::<D>(AbortOnDropHandle::new(task), trail, path).await,
        Manner::KeptAlive => alive::keep(every, end::<D>(AbortOnDropHandle::new(task), trail, path)).await,
    }
}

fn work<D: Dialect>(app: Arc<App>, trail: Arc<Trail>, request: Request<Body>) -> Result<JoinHandle<Response<Body>>, Fault> {
    let place = app.admission.request()?;
    let tracker = app.work.clone();
    Ok(tracker.spawn(async move {
        let response = D::serve(app, trail, request).await;
        drop(place);
        response
    }))
}

/// Waits for the answer. Dropped before, it says so in the log: its client has left.
async fn end<D: Dialect>(task: impl Future<Output = Result<Response<Body>, JoinError>>, trail: Arc<Trail>, path: String) -> Response<Body> {
    let unheard = Unheard(&trail);
    let ended = task.await;
    std::mem::forget(unheard);
    let response = ended.unwrap_or_else(|error| {
        let fault = Fault::internal("answering the request", error);
        trail.fault(&fault);
        D::rescue(&fault, &trail, &path)
    });
    trail.finish(response.status());
    response
}

/// Tells the log of a client that left, when dropped.
struct Unheard<'a>(&'a Trail);

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        self.0.left();
    }
}

#[cfg(test)]
mod tests;
