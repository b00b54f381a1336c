//! Signed URLs of single files in contexts: `PUT` writes the one file, `GET` and `HEAD` read it, each under a URL of its own.
//!
//! What is in a context came from outside, so it is served on this origin, as a download and never as a page.

use super::Problem;
use crate::app::App;
use crate::request::Trail;
use crate::sign::Purpose;
use crate::transfer;
use axum::body::Body;
use control::{ByteRange, FileMeta, Identity, OpContext};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::{ContextId, ContextPath, ErrorCode, Fault, KeyId, RequestId, TenantId};

/// What a file's URL allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Use {
    /// Reading it.
    Get,
    /// Writing it.
    Put,
}

/// The claims of a file's URL. The names are short because they stand in URLs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FileGrant {
    #[serde(rename = "t")]
    tenant: TenantId,
    #[serde(rename = "k")]
    key: KeyId,
    #[serde(rename = "c")]
    context: ContextId,
    #[serde(rename = "f")]
    path: String,
    #[serde(rename = "u")]
    what: Use,
    /// When it ends, Unix seconds.
    #[serde(rename = "e")]
    expires: i64,
}

/// A URL and when it ends, Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileUrl {
    pub(crate) url: String,
    pub(crate) expires: i64,
}

/// The URL under which a file of the caller's context is read, if it is there.
pub(crate) async fn download_url(app: &App, cx: &OpContext, context: &ContextId, path: &str) -> Result<FileUrl, Fault> {
    let path = checked(path)?;
    app.control.contexts(cx).file(context, &path).await?;
    Ok(url(app, cx, context, &path, Use::Get))
}

/// The URL under which a file of the caller's context is written.
pub(crate) async fn upload_url(app: &App, cx: &OpContext, context: &ContextId, path: &str) -> Result<FileUrl, Fault> {
    let path = checked(path)?;
    app.control.contexts(cx).check_writable(context).await?;
    Ok(url(app, cx, context, &path, Use::Put))
}

fn checked(path: &str) -> Result<ContextPath, Fault> {
    ContextPath::file(path).map_err(|error| Fault::invalid(error.to_string()))
}

fn url(app: &App, cx: &OpContext, context: &ContextId, path: &ContextPath, what: Use) -> FileUrl {
    let life = i64::try_from(app.timeouts.file_url_life.as_secs()).unwrap_or(i64::MAX);
    let expires = app.clock.now().as_second().saturating_add(life);
    let Identity { tenant, key, .. } = cx.identity.clone();
    let grant = FileGrant { tenant, key, context: context.clone(), path: path.as_str().to_owned(), what, expires };
    FileUrl { url: format!("{}/o/{}", app.links.http(), app.signer.sign(Purpose::File, &grant)), expires }
}

/// Answers a request for `/o/<token>`.
pub(super) async fn serve(app: &Arc<App>, trail: &Arc<Trail>, token: &str, request: Request<Body>) -> Response<Body> {
    trail.action("file");
    match answer(app, trail, token, request).await {
        Ok(response) => response,
        Err(problem) => {
            trail.code(problem.code);
            told(&problem, trail.request())
        }
    }
}

async fn answer(app: &Arc<App>, trail: &Arc<Trail>, token: &str, request: Request<Body>) -> Result<Response<Body>, Problem> {
    let forged = || Problem::new(StatusCode::FORBIDDEN, "forged", "this URL was not made by this server, or it is not complete");
    let grant: FileGrant = app.signer.open(Purpose::File, token).map_err(|_| forged())?;
    let path = ContextPath::file(&grant.path).map_err(|_| forged())?;
    if app.clock.now().as_second() >= grant.expires {
        return Err(Problem::new(StatusCode::FORBIDDEN, "expired", "this URL has expired; ask for a new one"));
    }
    let identity = Identity { tenant: grant.tenant, key: grant.key, admin: false };
    trail.identity(&identity);
    let told = |fault: Fault| {
        trail.fault(&fault);
        problem(&fault)
    };
    app.control.check_not_revoked(&identity.tenant, &identity.key).await.map_err(told)?;
    let share = app.admission.share(&identity.tenant).map_err(told)?;
    let cx = OpContext { identity, request: trail.request().clone() };
    let contexts = app.control.contexts(&cx);
    match (grant.what, request.method()) {
        (Use::Put, &Method::PUT) => {
            let body = request.into_body();
            let length = transfer::announced(&body);
            let meta = contexts.write(&grant.context, &path, length, transfer::incoming(app, body)).await.map_err(told)?;
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert(header::ETAG, etag(&meta));
            Ok(response)
        }
        (Use::Get, &Method::HEAD) => {
            let meta = contexts.file(&grant.context, &path).await.map_err(told)?;
            let mut response = Response::new(Body::empty());
            describe(response.headers_mut(), &meta);
            response.headers_mut().insert(header::CONTENT_LENGTH, meta.size.into());
            Ok(response)
        }
        (Use::Get, &Method::GET) => {
            let range = wanted(request.headers());
            let file = match contexts.read(&grant.context, &path, range).await {
                Ok(file) => file,
                Err(fault) if range.is_some() && fault.code() == ErrorCode::InvalidArgument => {
                    let size = contexts.file(&grant.context, &path).await.map_err(told)?.size;
                    return Ok(unsatisfiable(size, trail.request()));
                }
                Err(fault) => return Err(told(fault)),
            };
            // The request's own place ends with its head; the body goes on.
            let place = app.admission.request().map_err(told)?;
            let (meta, bytes) = (file.meta.clone(), file.range.clone());
            let mut response = Response::new(transfer::outgoing(app, trail.request(), file, (share, place)));
            describe(response.headers_mut(), &meta);
            response.headers_mut().insert(header::CONTENT_LENGTH, (bytes.end - bytes.start).into());
            if range.is_some() {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let text = format!("bytes {}-{}/{}", bytes.start, bytes.end.saturating_sub(1), meta.size);
                response.headers_mut().insert(header::CONTENT_RANGE, HeaderValue::from_str(&text).expect("numbers"));
            }
            Ok(response)
        }
        (what, _) => {
            let allowed = if what == Use::Put { "PUT" } else { "GET and HEAD" };
            Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", format!("this URL is for {allowed} only; ask for another one")))
        }
    }
}

/// One range of bytes. Several at once, and other units, are answered with the whole file, as HTTP allows; so is a range that
/// is to count only for a file that has not changed.
fn wanted(headers: &HeaderMap) -> Option<ByteRange> {
    if headers.contains_key(header::IF_RANGE) {
        return None;
    }
    let (from, to) = headers.get(header::RANGE)?.to_str().ok()?.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (from.trim(), to.trim()) {
        ("", last) => Some(ByteRange::Last(last.parse().ok()?)),
        (from, "") => Some(ByteRange::From(from.parse().ok()?)),
        (from, to) => {
            let (from, to) = (from.parse().ok()?, to.parse().ok()?);
            (from <= to).then_some(ByteRange::FromTo(from, to))
        }
    }
}

fn describe(headers: &mut HeaderMap, meta: &FileMeta) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, etag(meta));
    let name = format!("attachment; filename*=UTF-8''{}", encoded(meta.path.name()));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).expect("percent-encoded"));
    safe(headers);
}

/// Whatever a browser makes of the bytes, it is no page of this origin.
fn safe(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "private, no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
}

fn etag(meta: &FileMeta) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", meta.etag)).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

fn encoded(name: &str) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn unsatisfiable(size: u64, request: &RequestId) -> Response<Body> {
    let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", format!("the file has {size} bytes"));
    let mut response = told(&problem, request);
    response.headers_mut().insert(header::CONTENT_RANGE, HeaderValue::from_str(&format!("bytes */{size}")).expect("a number"));
    response
}

fn problem(fault: &Fault) -> Problem {
    let (status, code) = match fault.code() {
        ErrorCode::InvalidArgument => (StatusCode::BAD_REQUEST, "invalid"),
        ErrorCode::Unauthenticated => (StatusCode::FORBIDDEN, "revoked"),
        ErrorCode::PermissionDenied => (StatusCode::FORBIDDEN, "forbidden"),
        ErrorCode::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        ErrorCode::FailedPrecondition => (StatusCode::CONFLICT, "conflict"),
        ErrorCode::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, "exhausted"),
        ErrorCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        ErrorCode::DeadlineExceeded => (StatusCode::REQUEST_TIMEOUT, "late"),
        ErrorCode::Unimplemented => (StatusCode::NOT_IMPLEMENTED, "unimplemented"),
        ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    };
    Problem::new(status, code, fault.message())
}

/// Plain text: it is programs that come here.
fn told(problem: &Problem, request: &RequestId) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{}\nrequest {request}\n", problem.text)));
    *response.status_mut() = problem.status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    safe(response.headers_mut());
    response
}

#[cfg(test)]
mod tests;
