//! Limits and defaults of the engine.

use types::{IdlePolicy, ImageId, OutputLimit, SandboxLimits};

/// What an operator can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlConfig {
    /// The image when a client names none.
    pub default_image: ImageId,
    /// Life of a session when its client says nothing.
    pub idle: IdlePolicy,
    /// Kernel-enforced limits per sandbox.
    pub limits: SandboxLimits,
    /// Output kept per command.
    pub output: OutputLimit,
    /// Live sessions one tenant may have.
    pub sessions_per_tenant: u32,
    /// Tool calls one session may run at once.
    pub calls_per_session: u32,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            default_image: "linux_latest".parse().expect("a well-formed name"),
            idle: IdlePolicy::default(),
            limits: SandboxLimits::default(),
            output: OutputLimit::default(),
            sessions_per_tenant: 1000,
            calls_per_session: 64,
        }
    }
}
