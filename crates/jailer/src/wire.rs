//! What the starter's neighbours say to it: JSON messages over Unix `SOCK_SEQPACKET` sockets, one message a packet,
//! descriptors beside it (`SCM_RIGHTS`).

use types::{ImageId, ImageManifest, OutputLimit, SandboxId, SandboxLimits};

/// Protocol number between server and starter. It only rises; a newer server drives an older starter.
///
/// | number | what it added |
/// |---|---|
/// | 1 | images, create, connect, destroy, list, shutdown |
pub const STARTER_PROTOCOL: u32 = 1;

/// Longest message, bytes. Both sides make their socket buffers large enough for it.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// Sandboxes in one [`Reply::List`].
pub const LIST_PAGE: usize = 256;

/// What the server asks. Each gets one [`Reply`] on the same connection, in order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// First on every connection; answered by [`Reply::Hello`].
    Hello {
        /// The server's protocol number.
        protocol: u32,
    },
    /// The images on this host.
    Images,
    /// Make a sandbox. Names images and sandboxes by id, never by path. Idempotent.
    Create {
        /// Which one.
        id: SandboxId,
        /// From what.
        image: ImageId,
        /// Kernel-enforced limits.
        limits: SandboxLimits,
        /// For its guest.
        output: OutputLimit,
    },
    /// A connection to a sandbox's guest; the reply carries one descriptor, a connected stream socket.
    Connect {
        /// Which one.
        id: SandboxId,
    },
    /// End a sandbox; answered when nothing of it runs any more. Idempotent.
    Destroy {
        /// Which one.
        id: SandboxId,
    },
    /// The sandboxes that exist, in the order of their ids, a page at a time.
    List {
        /// Those after this one; from the first one on if absent.
        #[serde(default)]
        after: Option<SandboxId>,
    },
    /// End all sandboxes, the egress process and the starter itself.
    Shutdown,
}

/// What the starter answers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Who it is.
    Hello {
        /// The starter's protocol number.
        protocol: u32,
        /// Its pid, for operators.
        pid: i32,
        /// Its version, for people.
        version: String,
    },
    /// The images.
    Images {
        /// Their manifests.
        images: Vec<ImageManifest>,
    },
    /// The sandbox exists and its control socket listens.
    Created {
        /// What is known of it.
        facts: Facts,
    },
    /// The descriptor beside this message is the connection.
    Connected,
    /// Done.
    Done,
    /// The list.
    List {
        /// At most [`LIST_PAGE`] of them; fewer when there are no more.
        sandboxes: Vec<Facts>,
    },
    /// It failed.
    Failed {
        /// What kind.
        failure: Failure,
        /// Which step, which object, why.
        message: String,
    },
}

/// What is known of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// Its id.
    pub id: SandboxId,
    /// Its image.
    pub image: ImageId,
    /// Pid of its first process on the host.
    pub host_pid: i32,
    /// First host uid of its range.
    pub uid_base: u32,
    /// Isolation layers it got.
    pub layers: Vec<String>,
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The message was not understood.
    BadRequest,
    /// No such sandbox.
    NoSandbox,
    /// No such image.
    NoImage,
    /// Uid ranges, descriptors or processes ran out.
    Exhausted,
    /// Making it failed.
    Create,
    /// Anything else.
    Internal,
}

/// What the starter says to the egress process.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum EgressOrder {
    /// Serve a sandbox's way out. Beside the message, four descriptors in this order, all bound inside the sandbox's
    /// network namespace: TCP listener IPv4, TCP listener IPv6, UDP DNS socket IPv4, UDP DNS socket IPv6.
    Add {
        /// Which one.
        id: SandboxId,
    },
    /// Close them and every connection through them.
    Remove {
        /// Which one.
        id: SandboxId,
    },
}
