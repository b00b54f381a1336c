//! The native API under `/v1`: JSON in, JSON out, `Authorization: Bearer`. For operators, the command line and whoever
//! writes something new.

mod handlers;
mod problem;
mod streams;
mod wire;

use crate::app::App;
use crate::auth;
use crate::front::{Dialect, Manner};
use crate::limits::Share;
use crate::request::Trail;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::routing::{delete, get, post};
use control::OpContext;
use http::request::Parts;
use http::{Response, header};
use problem::Problem;
use std::sync::{Arc, OnceLock};
use tower::ServiceExt;
use types::Fault;

/// The native dialect.
pub(crate) struct Native;

impl Dialect for Native {
    const NAME: &'static str = "native";

    fn manner(request: &Request) -> Manner {
        // `/v1/sessions/{id}/exec` and `…/tools/{name}`: the call goes on in the guest; nobody is left to hear of it.
        match request.uri().path().split('/').nth(4) {
            Some("exec" | "tools") => Manner::WithClient,
            _ => Manner::ToItsEnd,
        }
    }

    async fn serve(app: Arc<App>, trail: Arc<Trail>, mut request: Request) -> Response<Body> {
        static ROUTES: OnceLock<Router> = OnceLock::new();
        trail.action(&format!("{} {}", request.method(), request.uri().path()));
        request.extensions_mut().insert(app);
        request.extensions_mut().insert(trail.clone());
        let answered = ROUTES.get_or_init(routes).clone().oneshot(request).await;
        problem::told(answered.unwrap_or_else(|never| match never {}), &trail)
    }

    fn rescue(fault: &Fault, trail: &Trail, _: &str) -> Response<Body> {
        Problem::from_fault(fault).respond(trail)
    }
}

fn routes() -> Router {
    Router::new()
        .route("/v1/health", get(handlers::server::health))
        .route("/v1/openapi.json", get(handlers::server::openapi))
        .route("/v1/shutdown", post(handlers::server::shut_down))
        .route("/v1/images", get(handlers::server::images))
        .route("/v1/keys", get(handlers::keys::list).post(handlers::keys::create))
        .route("/v1/keys/{id}", delete(handlers::keys::revoke))
        .route("/v1/sessions", get(handlers::sessions::list).post(handlers::sessions::create))
        .route("/v1/sessions/{id}", get(handlers::sessions::get).delete(handlers::sessions::delete))
        .route("/v1/sessions/{id}/exec", post(handlers::sessions::exec))
        .route("/v1/sessions/{id}/files", get(handlers::files::read).put(handlers::files::write))
        .route("/v1/sessions/{id}/tools/{name}", post(handlers::tools::call))
        .route("/v1/sessions/{id}/ptys", get(handlers::tools::ptys))
        .route("/v1/sessions/{id}/ptys/{pty}", delete(handlers::tools::kill_pty))
        .route("/v1/sessions/{id}/metrics", get(handlers::tools::metrics))
        .route("/v1/sessions/{id}/streams/{kind}", get(streams::open))
        .route("/v1/contexts", get(handlers::contexts::list).post(handlers::contexts::create))
        .route("/v1/contexts/{id}", get(handlers::contexts::get).patch(handlers::contexts::rename).delete(handlers::contexts::delete))
        .route("/v1/contexts/{id}/clear", post(handlers::contexts::clear))
        .route("/v1/contexts/{id}/files", get(handlers::contexts::files))
        .route(
            "/v1/contexts/{id}/file",
            get(handlers::contexts::read).put(handlers::contexts::write).delete(handlers::contexts::delete_file),
        )
        .route("/v1/contexts/{id}/urls", post(handlers::contexts::url))
        .fallback(handlers::server::no_route)
        .method_not_allowed_fallback(handlers::server::no_method)
}

/// A request whose key has been checked: what every handler but `health` starts from.
struct Caller {
    app: Arc<App>,
    trail: Arc<Trail>,
    cx: OpContext,
    _share: Share,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let app = parts.extensions.get::<Arc<App>>().expect("put there by serve").clone();
        let trail = parts.extensions.get::<Arc<Trail>>().expect("put there by serve").clone();
        let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match auth::admit(&app, &trail, bearer).await {
            Ok((cx, share)) => Ok(Self { app, trail, cx, _share: share }),
            Err(fault) => {
                trail.fault(&fault);
                Err(Problem::from_fault(&fault))
            }
        }
    }
}

#[cfg(test)]
mod tests;
