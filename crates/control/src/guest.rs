//! How the engine calls tools: through a trait of its own, so that tests can script what a guest does.

use async_trait::async_trait;
use protocol::{CallMeta, ToolOutcome};
use runtime::{Runtime, RuntimeError};
use std::sync::Arc;
use types::SandboxId;

/// The tools of one sandbox.
#[async_trait]
pub trait ToolGuest: Send + Sync + std::fmt::Debug + 'static {
    /// Calls a tool and waits for its end. Dropping the future does not end the call in the guest.
    async fn call_tool(&self, call: &CallMeta, name: &str, arguments: serde_json::Value) -> Result<ToolOutcome, RuntimeError>;
}

/// Where guests come from.
pub trait Guests: Send + Sync + std::fmt::Debug + 'static {
    /// The guest of a sandbox. Nothing is connected yet.
    fn guest(&self, sandbox: &SandboxId) -> Arc<dyn ToolGuest>;
}

/// The guests of a [`Runtime`]'s sandboxes.
#[derive(Debug)]
pub(crate) struct RuntimeGuests(pub(crate) Arc<dyn Runtime>);

impl Guests for RuntimeGuests {
    fn guest(&self, sandbox: &SandboxId) -> Arc<dyn ToolGuest> {
        Arc::new(runtime::Guest::new(self.0.clone(), sandbox.clone()))
    }
}

#[async_trait]
impl ToolGuest for runtime::Guest {
    async fn call_tool(&self, call: &CallMeta, name: &str, arguments: serde_json::Value) -> Result<ToolOutcome, RuntimeError> {
        runtime::Guest::call_tool(self, call, name, arguments).await
    }
}
