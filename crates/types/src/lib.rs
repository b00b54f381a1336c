//! The vocabulary: typed identifiers, names, limits, states and error codes.
//!
//! Nothing here does I/O and nothing here is asynchronous; every other crate may depend on it.

#![forbid(unsafe_code)]

mod context;
mod env;
mod error;
mod id;
mod image;
mod label;
mod limits;
mod session;
mod user;

pub use context::{ContextPath, ContextState, InvalidPath};
pub use env::{Clock, Entropy};
pub use error::{ErrorCode, Fault, error_chain};
pub use id::{CallId, ContextId, ImageId, InvalidId, KeyId, NodeId, RequestId, SandboxId, SessionId, TenantId};
pub use image::{Capability, ImageManifest};
pub use label::{InvalidLabel, Labels};
pub use limits::{IdlePolicy, OutputLimit, SandboxLimits};
pub use session::{ClientInfo, EndReason, SdkLanguage, SessionState};
pub use user::SandboxUser;

/// UTC instant used throughout; durations are [`std::time::Duration`].
pub type Timestamp = jiff::Timestamp;
