//! What is told about files.

use serde::{Deserialize, Serialize};

/// One replacement of [`super::FileSystem::edit`].
///
/// ```no_run
/// let edit = roadstead_sdk::Edit::new("colour", "color");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    old_text: String,
    new_text: String,
}

impl Edit {
    /// Put `new_text` in the place of `old_text`, which must occur exactly like this.
    ///
    /// ```no_run
    /// let edit = roadstead_sdk::Edit::new("port = 80", "port = 8080");
    /// ```
    pub fn new(old_text: impl Into<String>, new_text: impl Into<String>) -> Self {
        Self { old_text: old_text.into(), new_text: new_text.into() }
    }
}

/// What a path names.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::PathKind;
/// assert_eq!(session.files().info("/tmp").await?.kind, PathKind::Directory);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
#[non_exhaustive]
pub enum PathKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Something else, such as a socket.
    Other,
}

impl From<String> for PathKind {
    fn from(word: String) -> Self {
        match word.as_str() {
            "file" => Self::File,
            "directory" => Self::Directory,
            _ => Self::Other,
        }
    }
}

/// Facts about a file or directory; what the service does not tell is absent.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// let info = session.files().info("/etc/passwd").await?;
/// println!("{} {:?} {:?}", info.size, info.owner, info.modified);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// As it was asked for, or as the service made it absolute.
    pub path: String,
    /// Last component.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// What it is.
    pub kind: PathKind,
    /// Permission bits as the service writes them.
    pub permissions: Option<String>,
    /// Login name.
    pub owner: Option<String>,
    /// Group name.
    pub group: Option<String>,
    /// Creation time as the service writes it.
    pub created: Option<String>,
    /// Modification time as the service writes it.
    pub modified: Option<String>,
    /// Access time as the service writes it.
    pub accessed: Option<String>,
}

/// One entry of a directory.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// let names: Vec<String> = session.files().list("/tmp").await?.value.into_iter().map(|entry| entry.name).collect();
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryEntry {
    /// Its name.
    pub name: String,
    /// File or directory.
    pub kind: PathKind,
}

/// What happened to a file.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::ChangeKind;
/// let changes = session.files().changes("/tmp").await?;
/// println!("{} new", changes.iter().filter(|change| change.kind == ChangeKind::Create).count());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChangeKind {
    /// It is new.
    Create,
    /// Its content changed.
    Modify,
    /// It is gone.
    Delete,
}

/// One change below a watched path.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// for change in session.files().changes("/tmp").await?.iter() {
///     println!("{:?} {}", change.kind, change.path);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FileChange {
    /// What happened.
    #[serde(rename = "eventType")]
    pub kind: ChangeKind,
    /// Where.
    pub path: String,
    /// To a file or to a directory.
    #[serde(rename = "pathType")]
    pub path_kind: PathKind,
}
