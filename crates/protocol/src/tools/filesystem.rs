//! The filesystem group. Paths are absolute or relative to the user's home.

/// Tool name.
pub const READ_FILE: &str = "read_file";
/// Tool name.
pub const WRITE_FILE: &str = "write_file";
/// Tool name.
pub const EDIT_FILE: &str = "edit_file";
/// Tool name.
pub const CREATE_DIRECTORY: &str = "create_directory";
/// Tool name.
pub const DELETE_FILE: &str = "delete_file";
/// Tool name.
pub const GET_FILE_INFO: &str = "get_file_info";
/// Tool name.
pub const LIST_DIRECTORY: &str = "list_directory";
/// Tool name.
pub const MOVE_FILE: &str = "move_file";
/// Tool name.
pub const READ_MULTIPLE_FILES: &str = "read_multiple_files";
/// Tool name.
pub const SEARCH_FILES: &str = "search_files";
/// Tool name.
pub const GET_FILE_CHANGE: &str = "get_file_change";

/// Most bytes one `read_file` call returns. A whole larger file is refused with a hint at ranges.
pub const MAX_READ_BYTES: u64 = 16 << 20;
/// Most entries one `list_directory` or `search_files` call returns.
pub const MAX_ENTRIES: usize = 100_000;

/// Arguments of tools that take just a path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct PathArgs {
    /// The file or directory.
    pub path: String,
}

/// How file content travels in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContentFormat {
    /// UTF-8 text; other bytes stand as U+FFFD.
    #[default]
    Text,
    /// Base64 of the bytes.
    Binary,
}

/// Arguments of `read_file`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct ReadFileArgs {
    /// The file.
    pub path: String,
    /// First byte.
    #[serde(default)]
    pub offset: u64,
    /// How many bytes; 0 means to the end.
    #[serde(default)]
    pub length: u64,
    /// Text or base64.
    #[serde(default)]
    pub format: ContentFormat,
}

/// Result of `read_file`. In text form a range holds the characters that *end* in it, so that the texts of
/// neighbouring ranges can be joined without loss.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReadFileResult {
    /// Text, or base64.
    pub content: String,
    /// Size of the whole file, bytes.
    pub size: u64,
}

/// How `write_file` treats what is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// Replace the content.
    #[default]
    Overwrite,
    /// Add at the end.
    Append,
    /// Refuse if the file exists.
    CreateNew,
}

/// Arguments of `write_file`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct WriteFileArgs {
    /// The file.
    pub path: String,
    /// Its new content, as `format` says.
    pub content: String,
    /// Overwrite, append, or create only.
    #[serde(default)]
    pub mode: WriteMode,
    /// Text or base64.
    #[serde(default)]
    pub format: ContentFormat,
}

/// Result of `write_file`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WriteFileResult {
    /// Bytes written by this call.
    pub bytes_written: u64,
}

/// One replacement of `edit_file`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// The exact text to find; it must occur.
    pub old_text: String,
    /// What stands there afterwards.
    pub new_text: String,
}

/// Arguments of `edit_file`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditFileArgs {
    /// The file.
    pub path: String,
    /// Replacements, applied in order, each to its first occurrence; all or none take effect.
    pub edits: Vec<Edit>,
    /// Only show what would change.
    #[serde(default, alias = "dry_run")]
    pub dry_run: bool,
}

/// Result of `edit_file`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EditFileResult {
    /// Unified diff.
    pub diff: String,
    /// Whether the file was changed (false on a dry run).
    pub applied: bool,
}

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link (only where links are not followed: listings).
    Symlink,
    /// Device, socket or pipe.
    Special,
}

/// Result of `get_file_info`; symbolic links are followed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileInfo {
    /// Last component.
    pub name: String,
    /// As asked, made absolute.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, such as 0o644.
    pub mode: u32,
    /// Login name, or the number when it has none.
    pub owner: String,
    /// Group name, or the number when it has none.
    pub group: String,
    /// Creation time, RFC 3339; the modification time where the file system keeps none.
    pub created: String,
    /// Modification time, RFC 3339.
    pub modified: String,
    /// Access time, RFC 3339.
    pub accessed: String,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DirectoryEntry {
    /// Name; bytes that are not UTF-8 stand as U+FFFD.
    pub name: String,
    /// What it is; a link to a directory counts as a directory.
    pub kind: FileKind,
    /// Bytes; 0 for directories.
    pub size: u64,
}

/// Result of `list_directory`, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ListDirectoryResult {
    /// The entries.
    pub entries: Vec<DirectoryEntry>,
    /// Whether there are more than [`MAX_ENTRIES`].
    #[serde(default)]
    pub truncated: bool,
}

/// Arguments of `move_file`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct MoveFileArgs {
    /// What to move.
    pub source: String,
    /// Where to; must not exist.
    pub destination: String,
}

/// Arguments of `read_multiple_files`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct ReadMultipleFilesArgs {
    /// The files.
    pub paths: Vec<String>,
}

/// One file of `read_multiple_files`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReadOneFile {
    /// As it was asked for.
    pub path: String,
    /// Its text, when it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Why not, otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<crate::ToolError>,
}

/// Result of `read_multiple_files`, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReadMultipleFilesResult {
    /// One per path.
    pub files: Vec<ReadOneFile>,
}

/// Arguments of `search_files`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchFilesArgs {
    /// Directory to search below.
    pub path: String,
    /// Wildcards `*` and `?` on the name; a pattern with `/` is matched on the path below `path`.
    pub pattern: String,
    /// Patterns of names or paths to leave out.
    #[serde(default)]
    pub exclude_patterns: Vec<String>,
}

/// Result of `search_files`: absolute paths, sorted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SearchFilesResult {
    /// The paths.
    pub paths: Vec<String>,
    /// Whether there are more than [`MAX_ENTRIES`].
    #[serde(default)]
    pub truncated: bool,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new.
    Create,
    /// Its content changed.
    Modify,
    /// It is gone.
    Delete,
}

/// One change of `get_file_change`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// What happened.
    pub event_type: ChangeKind,
    /// Absolute path.
    pub path: String,
    /// `file` or `directory`.
    pub path_type: FileKind,
}

/// Result of `get_file_change`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileChangeResult {
    /// Sorted by path; empty when nothing changed.
    pub changes: Vec<FileChange>,
}
