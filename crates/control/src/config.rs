//! Limits and defaults of the engine.

use crate::ContextLimits;
use std::collections::BTreeMap;
use std::time::Duration;
use types::{IdlePolicy, ImageId, OutputLimit, SandboxLimits};

/// What an operator can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlConfig {
    /// The image when a client names none.
    pub default_image: ImageId,
    /// Further names of images, each with the image it stands for. An image's own name comes first: no alias hides an
    /// image. An alias leads to an image, never to another alias.
    pub image_aliases: BTreeMap<ImageId, ImageId>,
    /// Life of a session when its client says nothing.
    pub idle: IdlePolicy,
    /// Kernel-enforced limits per sandbox.
    pub limits: SandboxLimits,
    /// Output kept per command.
    pub output: OutputLimit,
    /// Live sessions one tenant may have on this server.
    pub sessions_per_tenant: u32,
    /// Tool calls one session may run at once.
    pub calls_per_session: u32,
    /// Tunnels, terminals and watches one session may have open at once.
    pub streams_per_session: u32,
    /// How much tenants may keep in contexts.
    pub contexts: ContextLimits,
    /// How long things may take and how often they are looked at.
    pub timings: Timings,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            default_image: name("linux_latest"),
            image_aliases: IMAGE_ALIASES.iter().map(|(alias, image)| (name(alias), name(image))).collect(),
            idle: IdlePolicy::default(),
            limits: SandboxLimits::default(),
            output: OutputLimit::default(),
            sessions_per_tenant: 1000,
            calls_per_session: 64,
            streams_per_session: 256,
            contexts: ContextLimits::default(),
            timings: Timings::default(),
        }
    }
}

/// The names that AGB's guides use, and what stands here for them.
const IMAGE_ALIASES: [(&str, &str); 4] = [
    ("agb-browser-use-1", "browser_latest"),
    ("agb-code-space-1", "code_latest"),
    ("agb-code-space-2", "code_latest"),
    ("agb-computer-use-ubuntu-2204", "desktop_latest"),
];

fn name(text: &str) -> ImageId {
    text.parse().expect("a well-formed name")
}

/// How long the engine waits for its parts, and its periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    /// Making a sandbox, then giving up and undoing.
    pub create: Duration,
    /// Destroying a sandbox, then trying again.
    pub destroy: Duration,
    /// Listing the sandboxes that exist.
    pub list: Duration,
    /// Opening a stream.
    pub open_stream: Duration,
    /// First pause after a failed clean-up; doubled until [`Self::retry_max`].
    pub retry_first: Duration,
    /// Longest pause between two tries of a clean-up.
    pub retry_max: Duration,
    /// Longest sleep of a session's owner between two looks at the wall clock, so that a clock that was set is noticed.
    pub clock_recheck: Duration,
    /// How often the housekeeping looks for activity that is not in the database yet.
    pub flush_period: Duration,
    /// Activity may be this much newer than the database knows, at most; for short idle times less.
    pub flush_lag: Duration,
    /// How often sandboxes that died unnoticed are looked for.
    pub reconcile_period: Duration,
    /// How often old rows are removed.
    pub forget_period: Duration,
    /// Finished sessions' rows stay this long.
    pub keep_finished: Duration,
    /// Running requests get this long to end when the server stops.
    pub drain: Duration,
    /// Sessions get this long to end when everything is shut down.
    pub shut_down: Duration,
    /// A key that was found good is looked up again after this long (another server may have revoked it).
    pub key_recheck: Duration,
    /// What an image can do is asked anew after this long: it changes only when the image is rebuilt.
    pub image_recheck: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            create: Duration::from_secs(30),
            destroy: Duration::from_secs(30),
            list: Duration::from_secs(10),
            open_stream: Duration::from_secs(10),
            retry_first: Duration::from_millis(100),
            retry_max: Duration::from_secs(30),
            clock_recheck: Duration::from_secs(30),
            flush_period: Duration::from_secs(1),
            flush_lag: Duration::from_secs(10),
            reconcile_period: Duration::from_secs(30),
            forget_period: Duration::from_secs(3600),
            keep_finished: Duration::from_secs(7 * 24 * 3600),
            drain: Duration::from_secs(10),
            shut_down: Duration::from_secs(30),
            key_recheck: Duration::from_secs(30),
            image_recheck: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_shows_these_aliases() {
        let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../COMPATIBILITY.md")).unwrap();
        let rows: String = IMAGE_ALIASES.iter().map(|(alias, image)| format!("| `{alias}` | `{image}` |\n")).collect();
        let table = format!("| name | image |\n|---|---|\n{rows}\n");
        assert!(document.contains(&table), "COMPATIBILITY.md lacks this table:\n{table}");
    }
}
