//! Tool calls: admitted by the owner, run beside it, ended by the guest.

use super::handle::Handle;
use super::types::ToolCall;
use super::work::{Hold, WorkKind};
use super::{housekeeping, metrics};
use crate::engine::Engine;
use crate::{OpContext, fault};
use protocol::tools::Place;
use protocol::{CallMeta, ToolOutcome, tools};
use runtime::RuntimeError;
use serde_json::Value;
use std::sync::Arc;
use types::{CallId, ErrorCode, Fault, ImageManifest, RequestId, SessionId};

/// Calls a tool and waits for its end.
pub(crate) async fn call(engine: &Arc<Engine>, cx: &OpContext, id: &SessionId, call: ToolCall) -> Result<ToolOutcome, Fault> {
    let handle = engine.sessions.find(&cx.identity.tenant, id)?;
    check(handle.image.as_deref(), &call)?;
    engine.check_serving()?;
    let hold = handle.admit(WorkKind::Call).await?;
    // A task of its own: the caller may leave, while the call goes on in the guest and keeps the session from idling.
    let running = engine.requests.spawn(run(engine.clone(), handle, hold, cx.request.clone(), call));
    running.await.unwrap_or_else(|error| Err(Fault::internal("calling a tool", error)))
}

async fn run(engine: Arc<Engine>, handle: Arc<Handle>, hold: Hold, request: RequestId, call: ToolCall) -> Result<ToolOutcome, Fault> {
    let meta = CallMeta { id: CallId::generate(&*engine.entropy), user: call.user };
    let started = std::time::Instant::now();
    let answer = tokio::select! {
        answer = answer(&engine, &handle, &meta, &call.name, call.arguments) => answer,
        () = hold.work().ended().cancelled() => return Err(ended(&handle)),
    };
    let took = started.elapsed();
    match answer {
        Ok(outcome) => {
            let failure = outcome.as_ref().err().map(|error| error.code);
            tracing::info!(%request, session = %handle.id, sandbox = %handle.sandbox, call = %meta.id, tool = call.name, ?took, ?failure, "tool call");
            Ok(outcome)
        }
        Err(error) => {
            tracing::warn!(%request, session = %handle.id, sandbox = %handle.sandbox, call = %meta.id, tool = call.name, ?took, %error, "tool call failed");
            Err(explain(&engine, &handle, &format!("calling {}", call.name), error).await)
        }
    }
}

/// Asks whoever has the tool.
async fn answer(engine: &Engine, handle: &Handle, meta: &CallMeta, name: &str, arguments: Value) -> Result<ToolOutcome, RuntimeError> {
    match tools::find(name).map(|tool| tool.place) {
        Some(Place::Host) => metrics::measure(engine, handle).await,
        Some(Place::Guest) | None => handle.guest.call_tool(meta, name, arguments).await,
    }
}

/// What the client is told when its session could not be reached. Notices when that is because the sandbox has died.
pub(super) async fn explain(engine: &Arc<Engine>, handle: &Handle, operation: &str, error: RuntimeError) -> Fault {
    let lost = match &error {
        RuntimeError::NoSandbox(_) => true,
        RuntimeError::Io { .. } | RuntimeError::Unavailable { .. } => !housekeeping::is_there(engine, &handle.sandbox).await,
        _ => false,
    };
    if !lost {
        if matches!(error, RuntimeError::Io { .. }) {
            housekeeping::look_again(engine, handle);
        }
        return fault::runtime(operation, error);
    }
    handle.work.report_lost();
    let text = format!("{operation}: session {} has ended because its sandbox died; make a new session", handle.id);
    Fault::not_found(text).with_source(error)
}

fn ended(handle: &Handle) -> Fault {
    Fault::not_found(format!("session {} was released while the call ran; its result is lost", handle.id))
}

/// Refuses what no guest needs to be asked about.
fn check(image: Option<&ImageManifest>, call: &ToolCall) -> Result<(), Fault> {
    let has = |tool: &tools::ToolSpec| image.is_none_or(|image| image.capabilities.contains(&tool.capability));
    let listed = || tools::TOOLS.iter().filter(|tool| has(tool)).map(|tool| tool.name).collect::<Vec<_>>().join(", ");
    let Some(tool) = tools::find(&call.name) else {
        let name: String = call.name.chars().take(80).collect();
        return Err(Fault::not_found(format!("there is no tool {name:?}; this session has: {}", listed())));
    };
    if let Some(image) = image.filter(|_| !has(tool)) {
        let text = format!("image {} does not have the tool {:?}; it has: {}", image.id, tool.name, listed());
        return Err(Fault::new(ErrorCode::Unimplemented, text));
    }
    if !call.arguments.is_object() {
        let kind = match call.arguments {
            serde_json::Value::Null => "null",
            serde_json::Value::Bool(_) => "a boolean",
            serde_json::Value::Number(_) => "a number",
            serde_json::Value::String(_) => "a string",
            serde_json::Value::Array(_) => "an array",
            serde_json::Value::Object(_) => "an object",
        };
        return Err(Fault::invalid(format!("the arguments of {:?} must be a JSON object; got {kind}", tool.name)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use types::Capability;

    #[test]
    fn calls_that_cannot_work_are_refused_with_what_would() {
        let image = ImageManifest {
            id: "linux_latest".parse().unwrap(),
            os: "linux".into(),
            arch: "x86_64".into(),
            description: String::new(),
            capabilities: vec![Capability::Shell],
            layers: vec![],
            nested_user_namespaces: false,
            built_at: None,
        };
        let cases = [
            (Some(&image), "shell", json!({}), None),
            (None, "read_file", json!({}), None),
            (Some(&image), "read_file", json!({}), Some((ErrorCode::Unimplemented, "it has: shell"))),
            (Some(&image), "no_such", json!({}), Some((ErrorCode::NotFound, "this session has: shell"))),
            (Some(&image), "shell", json!("{}"), Some((ErrorCode::InvalidArgument, "got a string"))),
        ];
        for (image, name, arguments, expected) in cases {
            let call = ToolCall { name: name.into(), arguments, user: Default::default() };
            let refusal = check(image, &call).err();
            let matches = match (&refusal, expected) {
                (None, None) => true,
                (Some(fault), Some((code, text))) => fault.code() == code && fault.message().contains(text),
                _ => false,
            };
            assert!(matches, "{name}: {refusal:?}");
        }
    }
}
