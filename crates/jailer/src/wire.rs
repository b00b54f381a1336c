//! What the starter's neighbours say to it: JSON messages over Unix `SOCK_SEQPACKET` sockets, one message a packet,
//! descriptors beside it (`SCM_RIGHTS`).

use types::{ImageId, ImageManifest, OutputLimit, SandboxId, SandboxLimits};

/// Protocol number between server and starter. It only rises; a newer server drives an older starter.
///
/// | number | what it added |
/// |---|---|
/// | 1 | images, create, connect, destroy, list, shutdown |
/// | 2 | usage |
///
/// A starter answers a request that is newer than itself with [`Failure::BadRequest`].
pub const STARTER_PROTOCOL: u32 = 2;

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
    /// What a sandbox uses now. Since protocol 2.
    Usage {
        /// Which one.
        id: SandboxId,
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
    /// What it uses.
    Usage {
        /// As measured while asked.
        usage: Usage,
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

/// What a sandbox uses, as the host's kernel and the egress process count it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// CPU time of all its processes since its start, microseconds.
    pub cpu_us: u64,
    /// Memory in use, without page cache that can be dropped, bytes.
    pub memory_bytes: u64,
    /// Size of the file system that its files are written to, bytes.
    pub disk_total_bytes: u64,
    /// Used of it, by whomever, bytes.
    pub disk_used_bytes: u64,
    /// What it sent and received.
    pub traffic: Traffic,
}

/// Bytes over a sandbox's TCP connections. DNS is not counted. Starts anew when the egress process does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Traffic {
    /// Bytes that came from outside.
    pub received_bytes: u64,
    /// Bytes that went outside.
    pub sent_bytes: u64,
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
    /// Say how much went through them; answered by an [`EgressReport`] on the same socket.
    Report {
        /// Which one.
        id: SandboxId,
    },
}

/// What the egress process answers to [`EgressOrder::Report`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EgressReport {
    /// Which sandbox was asked about.
    pub id: SandboxId,
    /// What went through; nothing for a sandbox that it does not serve.
    pub traffic: Traffic,
}
