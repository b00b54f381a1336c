//! The JSON of contexts.

use control::{ContextView, Entry, FileMeta};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A context: named data that outlives sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Context {
    pub(in super::super) id: String,
    pub(in super::super) name: String,
    /// `available` or `clearing`.
    pub(in super::super) state: &'static str,
    pub(in super::super) created_at: String,
    /// When a file of it was last written or read, within a minute.
    pub(in super::super) used_at: String,
    /// How many files it has.
    pub(in super::super) files: u64,
    /// Their bytes together.
    pub(in super::super) bytes: u64,
}

impl From<ContextView> for Context {
    fn from(view: ContextView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name,
            state: view.state.as_str(),
            created_at: view.created_at.to_string(),
            used_at: view.used_at.to_string(),
            files: view.files,
            bytes: view.bytes,
        }
    }
}

/// Which contexts to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct ContextsQuery {
    /// Only the one of this name.
    pub(in super::super) name: Option<String>,
    /// 1 to 1000; 100 when absent.
    pub(in super::super) limit: Option<u32>,
    /// `next_cursor` of an earlier page.
    pub(in super::super) cursor: Option<String>,
}

/// One page of contexts, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ContextList {
    pub(in super::super) contexts: Vec<Context>,
    /// How many there are in all.
    pub(in super::super) total: u64,
    /// Where the next page starts; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) next_cursor: Option<String>,
}

/// A context's name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ContextName {
    /// 1 to 256 bytes, no control characters.
    pub(in super::super) name: String,
}

/// Which folder, and which part of it.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct FilesQuery {
    /// The whole context when absent.
    #[param(value_type = Option<String>)]
    pub(in super::super) folder: String,
    /// 1 to 1000; 100 when absent.
    pub(in super::super) limit: Option<u32>,
    /// `next_cursor` of an earlier page.
    pub(in super::super) cursor: Option<String>,
}

/// Some of what lies in a folder, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ContextFiles {
    pub(in super::super) entries: Vec<ContextFile>,
    /// How many there are in the folder.
    pub(in super::super) total: u64,
    /// Where the next page starts; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) next_cursor: Option<String>,
}

/// A file or folder in a context.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ContextFile {
    /// Absolute path in the context.
    pub(in super::super) path: String,
    /// `file` or `folder`.
    pub(in super::super) kind: &'static str,
    /// Bytes; absent for a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) size: Option<u64>,
    /// When it was written; absent for a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) modified_at: Option<String>,
    /// Changes when the file does; absent for a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) etag: Option<String>,
}

impl From<FileMeta> for ContextFile {
    fn from(meta: FileMeta) -> Self {
        Self {
            path: meta.path.to_string(),
            kind: "file",
            size: Some(meta.size),
            modified_at: Some(meta.modified_at.to_string()),
            etag: Some(meta.etag),
        }
    }
}

impl From<Entry> for ContextFile {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::File(meta) => meta.into(),
            Entry::Folder(path) => Self { path: path.to_string(), kind: "folder", size: None, modified_at: None, etag: None },
        }
    }
}

/// Which file.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct PathQuery {
    /// Path in the context; a relative one counts from its root.
    pub(in super::super) path: String,
}

/// What a file's URL is for.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum UrlUse {
    /// `PUT`.
    Upload,
    /// `GET` and `HEAD`.
    Download,
}

/// A URL to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NewFileUrl {
    /// Path in the context.
    pub(in super::super) path: String,
    /// What it is for.
    #[serde(rename = "use")]
    pub(in super::super) what: UrlUse,
}

/// A URL of one file. Whoever has it needs no key.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct FileUrl {
    pub(in super::super) url: String,
    pub(in super::super) expires_at: String,
}
