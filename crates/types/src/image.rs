//! What an image can do, as its manifest says.

use crate::ImageId;

/// A group of tools that an image supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Run commands.
    Shell,
    /// Read and write files.
    Filesystem,
    /// Run code in language kernels.
    Code,
    /// Screen, mouse, keyboard, windows.
    Desktop,
    /// A browser that speaks CDP.
    Browser,
    /// Android.
    Mobile,
}

/// The manifest that lies beside an image's root file system.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageManifest {
    /// The image's name.
    pub id: ImageId,
    /// Operating system, `linux`.
    pub os: String,
    /// CPU architecture as `uname -m` says it, such as `x86_64`.
    pub arch: String,
    /// One sentence for people.
    pub description: String,
    /// Tool groups that work in this image.
    pub capabilities: Vec<Capability>,
    /// Read-only layers, lowest first, by file name inside the image's directory (`*.erofs` or a plain directory).
    pub layers: Vec<String>,
    /// Whether processes inside may make user namespaces of their own (a browser's sandbox needs them).
    #[serde(default)]
    pub nested_user_namespaces: bool,
    /// When it was built, RFC 3339.
    #[serde(default)]
    pub built_at: Option<String>,
}
