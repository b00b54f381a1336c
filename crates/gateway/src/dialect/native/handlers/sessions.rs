//! Sessions.

use super::{Reply, session_id};
use crate::dialect::native::problem::Problem;
use crate::dialect::native::wire::{Exec, ExecResult, ListQuery, NewSession, Session, SessionList};
use crate::dialect::native::{Caller, Native};
use crate::front::Dialect;
use axum::Json;
use axum::extract::{Path, Query, Request, rejection::QueryRejection};
use control::{CreateSession, ListSessions, ToolCall};
use http::StatusCode;
use protocol::tools::shell::{DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS, SHELL, ShellArgs, ShellResult};
use protocol::{ToolError, ToolErrorCode};
use std::time::Duration;
use types::{ClientInfo, ErrorCode, Fault, Labels, SessionState};

/// Sessions on a page when the client names no number.
const DEFAULT_PAGE: u32 = 20;
/// Most sessions on a page.
const MAX_PAGE: u32 = 100;

/// A page of the caller's live sessions, newest first.
#[utoipa::path(get, path = "/v1/sessions", params(ListQuery), responses((status = 200, body = SessionList)))]
pub(in super::super) async fn list(caller: Caller, query: Result<Query<ListQuery>, QueryRejection>) -> Reply<Json<SessionList>> {
    let request = query.map_err(|error| error.body_text()).and_then(|Query(query)| list_request(query));
    let request = request.map_err(Problem::invalid)?;
    let page = caller.ask_soon(caller.app.control.list_sessions(&caller.cx, request)).await?;
    let sessions = page.sessions.into_iter().map(Into::into).collect();
    Ok(Json(SessionList { sessions, total: page.total, next_cursor: page.next_cursor }))
}

/// Makes a session; the answer comes when it can be used.
#[utoipa::path(post, path = "/v1/sessions", request_body = NewSession, responses((status = 201, body = Session)))]
pub(in super::super) async fn create(caller: Caller, request: Request) -> Reply<(StatusCode, Json<Session>)> {
    let new: NewSession = caller.json(request).await?;
    let lifetime = new.lifetime().map_err(Problem::invalid)?;
    let labels = Labels::new(new.labels).map_err(|error| Problem::invalid(error.to_string()))?;
    let client = ClientInfo { dialect: Native::NAME.to_owned(), ..ClientInfo::default() };
    let wanted = CreateSession { image: new.image, labels, lifetime, client, alias: None };
    let view = caller.ask_soon(caller.app.control.create_session(&caller.cx, wanted)).await?;
    caller.trail.session(&view.id);
    Ok((StatusCode::CREATED, Json(view.into())))
}

/// A live session of the caller's tenant, with what its sandbox got.
#[utoipa::path(get, path = "/v1/sessions/{id}", params(("id" = String, Path)), responses((status = 200, body = Session)))]
pub(in super::super) async fn get(caller: Caller, Path(id): Path<String>) -> Reply<Json<Session>> {
    let id = session_id(&caller, &id)?;
    let view = caller.ask_soon(caller.app.control.session(&caller.cx, &id)).await?;
    Ok(Json(view.into()))
}

/// Ends a session; the answer comes when nothing of it is left.
#[utoipa::path(delete, path = "/v1/sessions/{id}", params(("id" = String, Path)), responses((status = 204)))]
pub(in super::super) async fn delete(caller: Caller, Path(id): Path<String>) -> Reply<StatusCode> {
    let id = session_id(&caller, &id)?;
    caller.ask_soon(caller.app.control.delete_session(&caller.cx, &id, true)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Runs a command and waits for its end, as long as its time limit says.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/exec",
    params(("id" = String, Path)),
    request_body = Exec,
    responses((status = 200, body = ExecResult))
)]
pub(in super::super) async fn exec(caller: Caller, Path(id): Path<String>, request: Request) -> Reply<Json<ExecResult>> {
    let id = session_id(&caller, &id)?;
    let Exec { command, user, cwd, envs, timeout_ms } = caller.json(request).await?;
    let time_limit = timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
    if !(1..=MAX_TIMEOUT_MS).contains(&time_limit) {
        return Err(Problem::invalid(format!("timeout_ms must be 1 to {MAX_TIMEOUT_MS}, got {time_limit}")));
    }
    let args = ShellArgs { command, timeout_ms: Some(time_limit), cwd, envs };
    let arguments = serde_json::to_value(args).expect("shell arguments are strings and numbers");
    let call = ToolCall { name: SHELL.to_owned(), arguments, user };
    let limit = Duration::from_millis(time_limit) + caller.app.timeouts.call;
    let result = caller
        .ask(limit, async {
            let outcome = caller.app.control.call_tool(&caller.cx, &id, call).await?;
            let value = outcome.map_err(tool_fault)?;
            serde_json::from_value::<ShellResult>(value).map_err(|error| Fault::internal("reading the command's result", error))
        })
        .await?;
    Ok(Json(result.into()))
}

fn list_request(query: ListQuery) -> Result<ListSessions, String> {
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(format!("limit must be 1 to {MAX_PAGE}, got {limit}"));
    }
    let pair = |text: &str| match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err(format!("labels must look like key=value, got {text:?}")),
    };
    let pairs = query.labels.iter().flat_map(|text| text.split(',')).map(pair).collect::<Result<Vec<_>, _>>()?;
    let state = match query.state {
        None => None,
        Some(word) => Some(SessionState::parse(&word.to_ascii_lowercase()).ok_or_else(|| format!("{word:?} is no state of a session"))?),
    };
    let labels = Labels::new(pairs).map_err(|error| error.to_string())?;
    Ok(ListSessions { labels, state, image: query.image, limit, cursor: query.cursor })
}

fn tool_fault(error: ToolError) -> Fault {
    let code = match error.code {
        ToolErrorCode::InvalidArgument | ToolErrorCode::WrongFileType | ToolErrorCode::TooLarge => ErrorCode::InvalidArgument,
        ToolErrorCode::NotFound => ErrorCode::InvalidArgument,
        ToolErrorCode::UnknownTool => ErrorCode::Unimplemented,
        ToolErrorCode::PermissionDenied => ErrorCode::PermissionDenied,
        ToolErrorCode::AlreadyExists | ToolErrorCode::NoSpace | ToolErrorCode::Cancelled => ErrorCode::FailedPrecondition,
        ToolErrorCode::Timeout => ErrorCode::DeadlineExceeded,
        ToolErrorCode::Busy => ErrorCode::ResourceExhausted,
        ToolErrorCode::Internal => ErrorCode::Internal,
    };
    Fault::new(code, error.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_queries_are_checked() {
        let query = |labels: &str, state: &str, limit| {
            list_request(ListQuery { labels: Some(labels.into()), state: Some(state.into()), limit, ..ListQuery::default() })
        };
        let request = query("a=1, b=2=3", "Running", None).unwrap();
        assert_eq!(request.labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2=3")]);
        assert_eq!((request.state, request.limit), (Some(SessionState::Running), 20));
        assert!(query("a", "running", None).is_err());
        assert!(query("a=", "running", None).is_err());
        assert!(query("a=1", "asleep", None).is_err());
        assert!(query("a=1", "running", Some(101)).is_err());
    }

    #[test]
    fn lifetimes_do_not_contradict_themselves() {
        let life = |json: &str| serde_json::from_str::<NewSession>(json).unwrap().lifetime();
        assert_eq!(life("{}"), Ok(control::Lifetime::Default));
        assert_eq!(life(r#"{"manual_release":true}"#), Ok(control::Lifetime::Manual));
        assert!(life(r#"{"manual_release":true,"idle_seconds":1}"#).is_err());
        assert!(life(r#"{"idle_seconds":0}"#).is_err());
        assert!(serde_json::from_str::<NewSession>(r#"{"idle":1}"#).is_err(), "unknown fields are told");
    }
}
