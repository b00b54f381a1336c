//! Sessions: one task owns each of them, from the first step of making it to the last step of clearing it away.
//!
//! ```text
//!                 sandbox made, row says so
//!      ┌──────────┐                     ┌─────────┐
//!  ───►│ Creating ├────────────────────►│ Running │  calls, streams, labels, keep-alive
//!      └────┬─────┘                     └────┬────┘
//!           │ a step failed,                 │ deleted, idle, too old,
//!           │ nobody waits any more          │ sandbox lost, server shut down
//!           │         ┌──────────┐           │
//!           └────────►│ Deleting │◄──────────┘  gone for its user, the sandbox is being destroyed
//!                     └────┬─────┘
//!                          │ sandbox destroyed
//!                     ┌────▼─────┐
//!                     │ Finished │  only its row is left, and why it ended
//!                     └──────────┘
//! ```
//!
//! From `Creating`, `Running` and `Deleting` a write that another server's epoch refuses leads to `Fenced`: that server
//! owns the session now, and this one touches neither row nor sandbox again.
//!
//! - [`machine`] decides: a pure function from phase and event to phase and effects.
//! - [`owner`] is the task: it admits work, watches the deadlines and carries the effects out.
//! - [`handle`] is what everybody else holds of a session; [`registry`] finds it by tenant and id.
//! - [`work`] counts what runs in a session and remembers when it was last active, without messages.
//!
//! **Cancellation.** A request's future may be dropped at any moment. What it asked of the owner happens nevertheless,
//! wholly or not at all: steps run in the owner or in a task of their own, never in the request's future.

pub(crate) mod auto;
pub(crate) mod call;
mod cleanup;
pub(crate) mod create;
pub(crate) mod handle;
pub(crate) mod housekeeping;
pub(crate) mod list;
mod machine;
mod metrics;
mod owner;
pub(crate) mod recover;
pub(crate) mod registry;
pub(crate) mod stream;
mod types;
pub(crate) mod work;

pub use self::types::{CreateSession, Lifetime, ListSessions, SessionPage, SessionView, ToolCall};
