//! Tools of a session: any by its name, and those that have a path of their own.

use super::{Reply, session_id};
use crate::dialect::native::Caller;
use crate::dialect::native::problem::Problem;
use crate::dialect::native::wire::{Metrics, PtyList, ToolAnswer, ToolQuery};
use axum::Json;
use axum::extract::{Path, Query, Request, rejection::QueryRejection};
use control::ToolCall;
use http::StatusCode;
use protocol::tools::{self, code, metrics, pty, shell};
use protocol::{ToolError, ToolErrorCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::time::Duration;
use types::{Fault, SandboxUser, SessionId};

/// Calls a tool of the session with the arguments in the body, a JSON object, and answers its result.
///
/// A failure of the tool has the tool's own code and `"tool": true`: `not_found` is then about a file, say, and not about
/// the session.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/tools/{name}",
    params(("id" = String, Path), ("name" = String, Path), ToolQuery),
    request_body = Object,
    responses((status = 200, body = ToolAnswer))
)]
pub(in super::super) async fn call(
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
    query: Result<Query<ToolQuery>, QueryRejection>,
    request: Request,
) -> Reply<Json<ToolAnswer>> {
    let id = session_id(&caller, &id)?;
    let Query(ToolQuery { user }) = query.map_err(|error| Problem::invalid(error.body_text()))?;
    if tools::find(&name).is_none() {
        caller.ask_soon(caller.app.control.session(&caller.cx, &id)).await?;
        let shown: String = name.chars().take(80).collect();
        return Err(Problem::from_tool(&ToolError::new(ToolErrorCode::UnknownTool, format!("there is no tool {shown:?}"))));
    }
    let arguments: Map<String, Value> = caller.json_within(request, caller.app.limits.tool_body).await?;
    let result = ask(&caller, &id, &name, arguments.into(), user).await?;
    Ok(Json(ToolAnswer { result }))
}

/// The ids of the session's terminals, oldest first.
#[utoipa::path(get, path = "/v1/sessions/{id}/ptys", params(("id" = String, Path)), responses((status = 200, body = PtyList)))]
pub(in super::super) async fn ptys(caller: Caller, Path(id): Path<String>) -> Reply<Json<PtyList>> {
    let id = session_id(&caller, &id)?;
    let found = read::<pty::PtyListResult>(&caller, ask(&caller, &id, pty::PTY_LIST, json!({}), SandboxUser::default()).await?)?;
    Ok(Json(PtyList { ids: found.ids }))
}

/// Ends a terminal and everything it started.
#[utoipa::path(
    delete,
    path = "/v1/sessions/{id}/ptys/{pty}",
    params(("id" = String, Path), ("pty" = String, Path)),
    responses((status = 204))
)]
pub(in super::super) async fn kill_pty(caller: Caller, Path((id, pty)): Path<(String, String)>) -> Reply<StatusCode> {
    let id = session_id(&caller, &id)?;
    ask(&caller, &id, pty::PTY_KILL, json!({ "id": pty }), SandboxUser::default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the session uses now, as the host's kernel counts it.
#[utoipa::path(get, path = "/v1/sessions/{id}/metrics", params(("id" = String, Path)), responses((status = 200, body = Metrics)))]
pub(in super::super) async fn metrics(caller: Caller, Path(id): Path<String>) -> Reply<Json<Metrics>> {
    let id = session_id(&caller, &id)?;
    let found = ask(&caller, &id, metrics::GET_METRICS, json!({}), SandboxUser::default()).await?;
    Ok(Json(read::<metrics::Metrics>(&caller, found)?.into()))
}

async fn ask(caller: &Caller, id: &SessionId, name: &str, arguments: Value, user: SandboxUser) -> Reply<Value> {
    // A command ends by its own limit; the engine gets time to say so.
    let limit = time_limit(name, &arguments) + caller.app.timeouts.call;
    let call = ToolCall { name: name.to_owned(), arguments, user };
    let outcome = caller.ask(limit, caller.app.control.call_tool(&caller.cx, id, call)).await?;
    outcome.map_err(|error| Problem::from_tool(&error))
}

/// How long a tool may run by what its arguments say. What they must not say is refused by the guest.
fn time_limit(name: &str, arguments: &Value) -> Duration {
    match name {
        shell::SHELL => {
            let wanted = arguments["timeout_ms"].as_u64().unwrap_or(shell::DEFAULT_TIMEOUT_MS);
            Duration::from_millis(wanted.min(shell::MAX_TIMEOUT_MS))
        }
        code::RUN_CODE => {
            let wanted = arguments["timeout_s"].as_f64().unwrap_or(code::DEFAULT_TIMEOUT_S);
            Duration::from_secs_f64(wanted.clamp(0.0, code::MAX_TIMEOUT_S))
        }
        _ => Duration::ZERO,
    }
}

fn read<T: DeserializeOwned>(caller: &Caller, result: Value) -> Reply<T> {
    serde_json::from_value(result).map_err(|error| {
        let fault = Fault::internal("reading a tool's result", error);
        caller.trail.fault(&fault);
        Problem::from_fault(&fault)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_waited_for_as_long_as_it_may_run() {
        let check = |name: &str, arguments: Value, seconds: u64| {
            assert_eq!(time_limit(name, &arguments), Duration::from_secs(seconds), "{name} {arguments}");
        };
        check("shell", json!({}), 60);
        check("shell", json!({ "timeout_ms": 90_000 }), 90);
        check("shell", json!({ "timeout_ms": u64::MAX }), 86_400);
        check("run_code", json!({ "timeout_s": 1 }), 1);
        check("run_code", json!({ "timeout_s": -1e300 }), 0);
        check("read_file", json!({ "timeout_ms": 90_000 }), 0);
    }
}
