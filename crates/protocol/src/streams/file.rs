//! A file's bytes, of any length, in or out.

use crate::call::ToolError;
use crate::tools::filesystem::WriteMode;
use types::SandboxUser;

/// Which bytes to send.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileReadOpen {
    /// Whom it is read as.
    #[serde(default)]
    pub user: SandboxUser,
    /// Absolute path; links are followed.
    pub path: String,
    /// First byte.
    #[serde(default)]
    pub offset: u64,
    /// How many bytes; to the end when absent.
    #[serde(default)]
    pub length: Option<u64>,
}

/// What the guest says besides the bytes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FileReadOutput {
    /// The first packet.
    Opened {
        /// The file's size in bytes now.
        size: u64,
        /// Its permission bits.
        mode: u32,
    },
    /// All bytes have been sent; the last packet. Without it the content is cut off.
    Ended {
        /// How many bytes were sent.
        bytes: u64,
    },
    /// It cannot be read, or not any further; the last packet.
    Failed {
        /// Why.
        error: ToolError,
    },
}

/// Where the bytes go.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileWriteOpen {
    /// Whom it is written as.
    #[serde(default)]
    pub user: SandboxUser,
    /// Absolute path; missing parent directories are made.
    pub path: String,
    /// Overwrite replaces the file as a whole at the end, so that a transfer that breaks off changes nothing; append
    /// writes as the bytes come.
    #[serde(default)]
    pub mode: WriteMode,
    /// Permission bits of a file that is made; 0644 when absent.
    #[serde(default)]
    pub permissions: Option<u32>,
}

/// What the host says besides the bytes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FileWriteInput {
    /// All bytes have been sent. A connection that ends without it is a broken transfer.
    End,
}

/// How it went; the one packet from the guest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FileWriteOutput {
    /// The bytes are in the file.
    Written {
        /// How many came.
        bytes: u64,
    },
    /// They are not.
    Failed {
        /// Why.
        error: ToolError,
    },
}
