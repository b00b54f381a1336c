//! Contexts and their files.

use super::{Reply, id};
use crate::dialect::native::Caller;
use crate::dialect::native::problem::Problem;
use crate::dialect::native::wire::contexts::{
    Context, ContextFile, ContextFiles, ContextList, ContextName, ContextsQuery, FileUrl, FilesQuery, NewFileUrl, PathQuery, UrlUse,
};
use crate::links::file;
use crate::transfer;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, Request, rejection::QueryRejection};
use control::{ContextPage, FilesPart};
use http::{Response, StatusCode, header};
use types::{ContextId, ContextPath, Fault};

/// Contexts or entries on a page when the client names no number.
const DEFAULT_PAGE: u32 = 100;

/// A page of the caller's contexts, newest first; with `name`, the one of that name or none.
#[utoipa::path(get, path = "/v1/contexts", params(ContextsQuery), responses((status = 200, body = ContextList)))]
pub(in super::super) async fn list(caller: Caller, query: Result<Query<ContextsQuery>, QueryRejection>) -> Reply<Json<ContextList>> {
    let ContextsQuery { name, limit, cursor } = parameters(query)?;
    let contexts = caller.app.control.contexts(&caller.cx);
    let page = match name {
        None => caller.ask_soon(contexts.list(limit.unwrap_or(DEFAULT_PAGE), cursor.as_deref())).await?,
        Some(_) if limit.is_some() || cursor.is_some() => return Err(Problem::invalid("name excludes limit and cursor")),
        Some(name) => {
            let found: Vec<_> = caller.ask_soon(contexts.called(&name)).await?.into_iter().collect();
            ContextPage { total: found.len() as u64, contexts: found, next_cursor: None }
        }
    };
    let contexts = page.contexts.into_iter().map(Into::into).collect();
    Ok(Json(ContextList { contexts, total: page.total, next_cursor: page.next_cursor }))
}

/// The context of this name: made (201) when there is none, else the one that is there (200).
#[utoipa::path(
    post,
    path = "/v1/contexts",
    request_body = ContextName,
    responses((status = 200, body = Context), (status = 201, body = Context))
)]
pub(in super::super) async fn create(caller: Caller, request: Request) -> Reply<(StatusCode, Json<Context>)> {
    let ContextName { name } = caller.json(request).await?;
    let (view, made) = caller.ask_soon(caller.app.control.contexts(&caller.cx).get_or_create(&name)).await?;
    Ok((if made { StatusCode::CREATED } else { StatusCode::OK }, Json(view.into())))
}

/// A context.
#[utoipa::path(get, path = "/v1/contexts/{id}", params(("id" = String, Path)), responses((status = 200, body = Context)))]
pub(in super::super) async fn get(caller: Caller, Path(text): Path<String>) -> Reply<Json<Context>> {
    let id: ContextId = id("context", &text)?;
    Ok(Json(caller.ask_soon(caller.app.control.contexts(&caller.cx).get(&id)).await?.into()))
}

/// Gives a context another name.
#[utoipa::path(
    patch,
    path = "/v1/contexts/{id}",
    params(("id" = String, Path)),
    request_body = ContextName,
    responses((status = 200, body = Context))
)]
pub(in super::super) async fn rename(caller: Caller, Path(text): Path<String>, request: Request) -> Reply<Json<Context>> {
    let id: ContextId = id("context", &text)?;
    let ContextName { name } = caller.json(request).await?;
    Ok(Json(caller.ask_soon(caller.app.control.contexts(&caller.cx).rename(&id, &name)).await?.into()))
}

/// Removes a context. It is gone with the answer; what it held is removed in the background.
#[utoipa::path(delete, path = "/v1/contexts/{id}", params(("id" = String, Path)), responses((status = 204)))]
pub(in super::super) async fn delete(caller: Caller, Path(text): Path<String>) -> Reply<StatusCode> {
    let id: ContextId = id("context", &text)?;
    caller.ask_soon(caller.app.control.contexts(&caller.cx).delete(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes all files of a context, in the background: its state is `clearing` until that is done.
#[utoipa::path(post, path = "/v1/contexts/{id}/clear", params(("id" = String, Path)), responses((status = 202)))]
pub(in super::super) async fn clear(caller: Caller, Path(text): Path<String>) -> Reply<StatusCode> {
    let id: ContextId = id("context", &text)?;
    caller.ask_soon(caller.app.control.contexts(&caller.cx).clear(&id)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// What lies directly in a folder of a context, by name.
#[utoipa::path(
    get,
    path = "/v1/contexts/{id}/files",
    params(("id" = String, Path), FilesQuery),
    responses((status = 200, body = ContextFiles))
)]
pub(in super::super) async fn files(
    caller: Caller,
    Path(text): Path<String>,
    query: Result<Query<FilesQuery>, QueryRejection>,
) -> Reply<Json<ContextFiles>> {
    let id: ContextId = id("context", &text)?;
    let FilesQuery { folder, limit, cursor } = parameters(query)?;
    let part = FilesPart::After { cursor, limit: limit.unwrap_or(DEFAULT_PAGE) };
    let page = caller.ask_soon(caller.app.control.contexts(&caller.cx).files(&id, &folder, part)).await?;
    let entries = page.entries.into_iter().map(Into::into).collect();
    Ok(Json(ContextFiles { entries, total: page.total, next_cursor: page.next_cursor }))
}

/// A file's bytes. A body that ends as HTTP ends bodies is whole.
#[utoipa::path(
    get,
    path = "/v1/contexts/{id}/file",
    params(("id" = String, Path), PathQuery),
    responses((status = 200, description = "The bytes.", body = Vec<u8>, content_type = "application/octet-stream"))
)]
pub(in super::super) async fn read(
    caller: Caller,
    Path(text): Path<String>,
    query: Result<Query<PathQuery>, QueryRejection>,
) -> Reply<Response<Body>> {
    let (id, path) = (id("context", &text)?, place(query)?);
    let file = caller.ask_soon(caller.app.control.contexts(&caller.cx).read(&id, &path, None)).await?;
    // The request's own place ends with its head; the body goes on.
    let held = caller.app.admission.request().map_err(|fault| Problem::from_fault(&fault))?;
    let (app, trail, size) = (caller.app.clone(), caller.trail.clone(), file.meta.size);
    let body = transfer::outgoing(&app, trail.request(), file, (caller, held));
    let response = Response::builder()
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::CONTENT_LENGTH, size);
    Ok(response.body(body).expect("the headers are numbers and constants"))
}

/// Writes a file from the request's body. It is there whole, or as it was before.
#[utoipa::path(
    put,
    path = "/v1/contexts/{id}/file",
    params(("id" = String, Path), PathQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = ContextFile))
)]
pub(in super::super) async fn write(
    caller: Caller,
    Path(text): Path<String>,
    query: Result<Query<PathQuery>, QueryRejection>,
    request: Request,
) -> Reply<Json<ContextFile>> {
    let (id, path) = (id("context", &text)?, place(query)?);
    let body = request.into_body();
    let length = transfer::announced(&body);
    let written = caller.app.control.contexts(&caller.cx).write(&id, &path, length, transfer::incoming(&caller.app, body)).await;
    written.map(|meta| Json(meta.into())).map_err(|fault| told(&caller, &fault))
}

/// Removes a file.
#[utoipa::path(delete, path = "/v1/contexts/{id}/file", params(("id" = String, Path), PathQuery), responses((status = 204)))]
pub(in super::super) async fn delete_file(
    caller: Caller,
    Path(text): Path<String>,
    query: Result<Query<PathQuery>, QueryRejection>,
) -> Reply<StatusCode> {
    let (id, path) = (id("context", &text)?, place(query)?);
    caller.ask_soon(caller.app.control.contexts(&caller.cx).delete_file(&id, &path)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A URL under which one file is written or read for an hour, without a key.
#[utoipa::path(
    post,
    path = "/v1/contexts/{id}/urls",
    params(("id" = String, Path)),
    request_body = NewFileUrl,
    responses((status = 201, body = FileUrl))
)]
pub(in super::super) async fn url(caller: Caller, Path(text): Path<String>, request: Request) -> Reply<(StatusCode, Json<FileUrl>)> {
    let id: ContextId = id("context", &text)?;
    let NewFileUrl { path, what } = caller.json(request).await?;
    let found = match what {
        UrlUse::Upload => caller.ask_soon(file::upload_url(&caller.app, &caller.cx, &id, &path)).await?,
        UrlUse::Download => caller.ask_soon(file::download_url(&caller.app, &caller.cx, &id, &path)).await?,
    };
    let expires_at = types::Timestamp::from_second(found.expires).unwrap_or(types::Timestamp::MAX).to_string();
    Ok((StatusCode::CREATED, Json(FileUrl { url: found.url, expires_at })))
}

fn place(query: Result<Query<PathQuery>, QueryRejection>) -> Reply<ContextPath> {
    let PathQuery { path } = parameters(query)?;
    ContextPath::file(&path).map_err(|error| Problem::invalid(error.to_string()))
}

fn parameters<T>(query: Result<Query<T>, QueryRejection>) -> Reply<T> {
    query.map(|Query(query)| query).map_err(|error| Problem::invalid(error.body_text()))
}

fn told(caller: &Caller, fault: &Fault) -> Problem {
    caller.trail.fault(fault);
    Problem::from_fault(fault)
}
