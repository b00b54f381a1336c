//! What every request passes, whatever its dialect: an id, a place, a guard against panics, a line in the log.

use crate::app::App;
use crate::request::Trail;
use axum::body::Body;
use http::{Request, Response};
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;
use types::Fault;

/// A protocol that the front door speaks.
pub(crate) trait Dialect: 'static {
    /// Its name in the log.
    const NAME: &'static str;
    /// Whether work goes on when its client leaves. A half-made session helps nobody; a half-sent page can be dropped.
    const OUTLIVES_CLIENT: bool;

    /// Answers a request; failures are answers too.
    fn serve(app: Arc<App>, trail: Arc<Trail>, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;

    /// The answer to a failure outside of [`Dialect::serve`].
    fn rescue(fault: &Fault, trail: &Trail) -> Response<Body>;
}

/// Lets one request through dialect `D`.
pub(crate) async fn pass<D: Dialect>(app: Arc<App>, request: Request<Body>) -> Response<Body> {
    let trail = Arc::new(Trail::start(D::NAME, &*app.entropy));
    let response = match work::<D>(app, trail.clone(), request).await {
        Ok(response) => response,
        Err(fault) => {
            trail.fault(&fault);
            D::rescue(&fault, &trail)
        }
    };
    trail.finish(response.status());
    response
}

async fn work<D: Dialect>(app: Arc<App>, trail: Arc<Trail>, request: Request<Body>) -> Result<Response<Body>, Fault> {
    let place = app.admission.request()?;
    let tracker = app.work.clone();
    let task = tracker.spawn(async move {
        let response = D::serve(app, trail, request).await;
        drop(place);
        response
    });
    let ended = if D::OUTLIVES_CLIENT { task.await } else { AbortOnDropHandle::new(task).await };
    ended.map_err(|error| Fault::internal("answering the request", error))
}
