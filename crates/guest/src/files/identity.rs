//! Acting on files as the call's user.
//!
//! The kernel keeps a file-system user and group id per thread. Switching them (which also lays aside the capabilities
//! that override file permissions) makes the kernel itself check every access as that user's, and new files that user's.

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use protocol::{ToolError, ToolErrorCode};
use types::SandboxUser;

/// Runs `work` on a thread of its own that acts as `user`.
pub async fn as_user<T: Send + 'static>(
    user: SandboxUser,
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    let thread = tokio::task::spawn_blocking(move || {
        let _identity = Identity::assume(user)?;
        work()
    });
    thread
        .await
        .unwrap_or_else(|error| Err(ToolError::new(ToolErrorCode::Internal, format!("the file tool failed inside the guest: {error}"))))
}

/// This thread acts as another user until dropped.
struct Identity {
    own: (Uid, Gid),
}

impl Identity {
    fn assume(user: SandboxUser) -> Result<Self, ToolError> {
        let own = (Uid::effective(), Gid::effective());
        let identity = Self { own };
        // The group first: without the user's capabilities it could no longer be changed.
        if set(Uid::from_raw(user.uid()), Gid::from_raw(user.uid())) {
            Ok(identity)
        } else {
            let message = format!("the guest may not act as user {}", user.name());
            Err(ToolError::new(ToolErrorCode::Internal, message))
        }
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        // Going back to the thread's own effective ids is always allowed.
        setfsuid(self.own.0);
        setfsgid(self.own.1);
    }
}

/// Whether both ids are now in force. The calls themselves report no failure, they only tell the previous id.
fn set(uid: Uid, gid: Gid) -> bool {
    let invalid = u32::MAX;
    setfsgid(gid);
    setfsuid(uid);
    setfsgid(Gid::from_raw(invalid)) == gid && setfsuid(Uid::from_raw(invalid)) == uid
}
