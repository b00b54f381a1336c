//! The links listener: signed URLs into sessions, on an origin of their own.
//!
//! | path | what |
//! |---|---|
//! | `/l/<token>/…` | a port inside a session; `…` is what the program there sees |
//! | `/r/<token>` | a page with a session's facts |
//! | `/o/<token>` | one file in a context, to read or to write |
//! | any other | the port that the browser opened last, remembered in a cookie, so that absolute paths in pages work |
//!
//! A token names tenant, session, port and end, and is signed. Every request asks the engine for the session, so that a
//! link dies with it. All links share this one origin: pages of different sessions can see each other's answers in one
//! browser, which is why nothing of the API is served here and no cookie here opens the API.

pub(crate) mod file;
mod grant;
mod headers;
mod page;
mod proxy;

pub(crate) use grant::{Grant, page_url, port_url};

use crate::app::App;
use crate::front::{Dialect, Manner};
use crate::request::Trail;
use crate::sign::Purpose;
use axum::body::Body;
use control::{OpContext, SessionView};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use std::sync::Arc;
use types::{ErrorCode, Fault};

/// Serves links.
pub(crate) struct Links;

/// How a request says which port it means.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    /// A path that carries the token; `rest` starts with a slash.
    Path { token: &'a str, rest: &'a str },
    /// A path that carries the token and nothing after it.
    Bare { token: &'a str },
    /// The page with a session's facts.
    Page { token: &'a str },
    /// Any other path.
    Remembered,
}

impl Dialect for Links {
    const NAME: &'static str = "links";

    fn manner(_: &Request<Body>) -> Manner {
        Manner::WithClient
    }

    async fn serve(app: Arc<App>, trail: Arc<Trail>, request: Request<Body>) -> Response<Body> {
        if let Some(token) = request.uri().path().strip_prefix("/o/").map(str::to_owned) {
            return file::serve(&app, &trail, &token, request).await;
        }
        answer(&app, &trail, request).await.unwrap_or_else(|problem| {
            trail.code(problem.code);
            page::problem(problem.status, &problem.text, trail.request())
        })
    }

    fn rescue(fault: &Fault, trail: &Trail, _: &str) -> Response<Body> {
        let problem = Problem::from_fault(fault);
        trail.code(problem.code);
        page::problem(problem.status, &problem.text, trail.request())
    }
}

/// What a visitor is told instead.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    text: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into() }
    }

    fn gone() -> Self {
        Self::new(StatusCode::NOT_FOUND, "gone", "The session behind this link has ended. Ask for a link into a new session.")
    }

    fn from_fault(fault: &Fault) -> Self {
        match fault.code() {
            ErrorCode::NotFound => Self::gone(),
            ErrorCode::Unauthenticated => {
                Self::new(StatusCode::FORBIDDEN, "revoked", "The API key that this link was made with was revoked. Ask for a new link.")
            }
            ErrorCode::ResourceExhausted => Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", fault.message()),
            ErrorCode::Unavailable => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", fault.message()),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", fault.message()),
        }
    }
}

async fn answer(app: &Arc<App>, trail: &Trail, request: Request<Body>) -> Result<Response<Body>, Problem> {
    let path = request.uri().path().to_owned();
    match target(&path) {
        Target::Page { token } => {
            trail.action("page");
            let (_, view) = open(app, trail, Purpose::Page, token).await?;
            Ok(page::facts(&view))
        }
        Target::Bare { token } if matches!(*request.method(), Method::GET | Method::HEAD) => {
            trail.action("link");
            open(app, trail, Purpose::Link, token).await?;
            // Relative paths in the page need the slash.
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            page::redirect(&format!("/l/{token}/{query}"))
        }
        Target::Bare { token } => port(app, trail, token, "/", request).await,
        Target::Path { token, rest } => port(app, trail, token, rest, request).await,
        Target::Remembered => {
            let token = headers::remembered(request.headers()).ok_or_else(|| {
                Problem::new(
                    StatusCode::NOT_FOUND,
                    "no_link",
                    "This address serves links into sessions. Open one that `get_link` returned.",
                )
            })?;
            if request.headers().get("service-worker").is_some() {
                // At this path it would rule over every link that the browser opens later.
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "service_worker",
                    "Service workers are served below a link's own path only.",
                ));
            }
            port(app, trail, &token, &path, request).await
        }
    }
}

async fn port(app: &Arc<App>, trail: &Trail, token: &str, path: &str, request: Request<Body>) -> Result<Response<Body>, Problem> {
    trail.action("link");
    let (grant, _) = open(app, trail, Purpose::Link, token).await?;
    let _share = app.admission.share(&grant.tenant).map_err(|fault| Problem::from_fault(&fault))?;
    let port = grant.port.ok_or_else(|| Problem::new(StatusCode::FORBIDDEN, "forged", "This link names no port."))?;
    let cx = grant.context(trail.request());
    let base = format!("/l/{token}");
    let stream = proxy::connect(app, trail, &cx, &grant.session, port).await?;
    let mut response = proxy::exchange(app, proxy::Route { base: &base, path, port, ends: grant.expires }, stream, request).await?;
    let cookie = HeaderValue::from_str(&headers::remember(token)).expect("tokens are URL-safe base64 and a dot");
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Checks a token and that its session lives.
async fn open(app: &App, trail: &Trail, purpose: Purpose, token: &str) -> Result<(Grant, SessionView), Problem> {
    let grant: Grant = app.signer.open(purpose, token).map_err(|_| {
        Problem::new(StatusCode::FORBIDDEN, "forged", "This link was not made by this server, or it is not complete. Ask for a new one.")
    })?;
    if !grant.holds(app.clock.now()) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "expired", "This link has expired. Ask for a new one."));
    }
    let cx: OpContext = grant.context(trail.request());
    trail.identity(&cx.identity);
    trail.session(&grant.session);
    app.control.check_not_revoked(&grant.tenant, &grant.key).await.map_err(|fault| {
        trail.fault(&fault);
        Problem::from_fault(&fault)
    })?;
    let view = app.control.session(&cx, &grant.session).await.map_err(|fault| {
        trail.fault(&fault);
        Problem::from_fault(&fault)
    })?;
    Ok((grant, view))
}

fn target(path: &str) -> Target<'_> {
    if let Some(rest) = path.strip_prefix("/l/").filter(|rest| !rest.is_empty()) {
        return match rest.find('/') {
            Some(at) => Target::Path { token: &rest[..at], rest: &rest[at..] },
            None => Target::Bare { token: rest },
        };
    }
    match path.strip_prefix("/r/").filter(|rest| !rest.is_empty()) {
        Some(token) => Target::Page { token: token.trim_end_matches('/') },
        None => Target::Remembered,
    }
}

#[cfg(test)]
mod tests;
