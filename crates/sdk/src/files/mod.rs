//! Files in a session. Large ones travel in pieces that every service takes, so that callers need not care.

mod parse;
mod streams;
mod transfer;
mod types;
mod watch;

pub(crate) use transfer::quote;
pub use types::{ChangeKind, DirectoryEntry, Edit, FileChange, FileInfo, PathKind};
pub use watch::FileChanges;

use crate::{Error, Response, Result, Session};
use futures::StreamExt;
use serde_json::{Value, json};

/// How many pieces or files are read at once.
const PARALLEL_READS: usize = 4;

/// Reads and writes files in one session, see [`Session::files`]. Paths are absolute, or relative to the user's home.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// let files = session.files();
/// files.write("notes/today.txt", "sail at dawn\n").await?;
/// println!("{}", *files.read("notes/today.txt").await?);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct FileSystem {
    session: Session,
}

impl FileSystem {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// A whole file as text. [`Error::Tool`] when it cannot be read or is not UTF-8.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let text = session.files().read("/etc/hostname").await?;
    /// println!("{}", text.trim());
    /// # Ok(()) }
    /// ```
    pub async fn read(&self, path: &str) -> Result<Response<String>> {
        // Bytes, decoded here: pieces cut inside a character join again without loss.
        let Response { request_id, value, .. } = self.read_bytes(path).await?;
        match String::from_utf8(value) {
            Ok(text) => Ok(Response::new(request_id, text)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                Err(Error::tool("read_file", format!("{path} is not UTF-8 text (byte {at}): read it as bytes"), request_id))
            }
        }
    }

    /// Several files at once, in the order asked. One that cannot be read does not fail the others.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) {
    /// for (path, text) in session.files().read_many(["/etc/hostname", "/no/such/file"]).await {
    ///     println!("{path}: {:?}", text.map(|text| text.len()));
    /// }
    /// # }
    /// ```
    pub async fn read_many<P: Into<String>>(&self, paths: impl IntoIterator<Item = P>) -> Vec<(String, Result<Response<String>>)> {
        let paths: Vec<String> = paths.into_iter().map(Into::into).collect();
        futures::stream::iter(paths)
            .map(|path| async move {
                let text = self.read(&path).await;
                (path, text)
            })
            .buffered(PARALLEL_READS)
            .collect()
            .await
    }

    /// Replaces exact pieces of text in a file, in order, each at its first occurrence; all or none take effect.
    /// Brings back what the service tells of it, usually a diff.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::Edit;
    /// let diff = session.files().edit("/tmp/app.conf", [Edit::new("debug = true", "debug = false")]).await?;
    /// # Ok(()) }
    /// ```
    pub async fn edit(&self, path: &str, edits: impl IntoIterator<Item = Edit>) -> Result<Response<String>> {
        self.edit_file(path, edits.into_iter().collect(), false).await
    }

    /// Tells what [`FileSystem::edit`] would do, and changes nothing.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::Edit;
    /// println!("{}", *session.files().edit_dry_run("/tmp/app.conf", [Edit::new("a", "b")]).await?);
    /// # Ok(()) }
    /// ```
    pub async fn edit_dry_run(&self, path: &str, edits: impl IntoIterator<Item = Edit>) -> Result<Response<String>> {
        self.edit_file(path, edits.into_iter().collect(), true).await
    }

    /// Makes a directory and its missing parents.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.files().create_dir("/tmp/a/b/c").await?;
    /// # Ok(()) }
    /// ```
    pub async fn create_dir(&self, path: &str) -> Result<Response<()>> {
        Ok(self.call("create_directory", json!({"path": path})).await?.map(drop))
    }

    /// Deletes a file, or a directory with what is in it.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.files().delete("/tmp/a").await?;
    /// # Ok(()) }
    /// ```
    pub async fn delete(&self, path: &str) -> Result<Response<()>> {
        Ok(self.call("delete_file", json!({"path": path})).await?.map(drop))
    }

    /// Size, kind, times, permissions and owner.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let info = session.files().info("/etc/passwd").await?;
    /// println!("{} bytes, {:?}", info.size, info.kind);
    /// # Ok(()) }
    /// ```
    pub async fn info(&self, path: &str) -> Result<Response<FileInfo>> {
        let text = self.call("get_file_info", json!({"path": path})).await?;
        let info = parse::file_info(&text, path)
            .map_err(|problem| Error::unexpected(&format!("getting the info of {path}"), problem, Some(text.request_id.clone())))?;
        Ok(text.map(|_| info))
    }

    /// The entries of a directory.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// for entry in session.files().list("/tmp").await?.iter() {
    ///     println!("{} {:?}", entry.name, entry.kind);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn list(&self, path: &str) -> Result<Response<Vec<DirectoryEntry>>> {
        Ok(self.call("list_directory", json!({"path": path})).await?.map(|text| parse::listing(&text)))
    }

    /// Moves or renames; an existing destination is refused.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.files().rename("/tmp/draft.txt", "/tmp/final.txt").await?;
    /// # Ok(()) }
    /// ```
    pub async fn rename(&self, source: &str, destination: &str) -> Result<Response<()>> {
        Ok(self.call("move_file", json!({"source": source, "destination": destination})).await?.map(drop))
    }

    /// Paths below `path` whose names match a pattern with `*` and `?`, without those that match one of `exclude`.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let found = session.files().search("/etc", "*.conf", ["ssl"]).await?;
    /// println!("{found:?}");
    /// # Ok(()) }
    /// ```
    pub async fn search<E: Into<String>>(
        &self,
        path: &str,
        pattern: &str,
        exclude: impl IntoIterator<Item = E>,
    ) -> Result<Response<Vec<String>>> {
        let exclude: Vec<String> = exclude.into_iter().map(Into::into).collect();
        let mut arguments = json!({"path": path, "pattern": pattern});
        if !exclude.is_empty() {
            // One text, as the official client writes it; a list where a comma in a pattern would be misread.
            let apart = exclude.iter().any(|pattern| pattern.contains(','));
            arguments["excludePatterns"] = if apart { json!(exclude) } else { json!(exclude.join(",")) };
        }
        Ok(self.call("search_files", arguments).await?.map(|text| parse::search(&text)))
    }

    /// What changed below a path since the last time this was asked for it; the first time sets the starting point.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let files = session.files();
    /// files.changes("/tmp/work").await?;
    /// session.command().run("touch /tmp/work/new").await?;
    /// println!("{:?}", files.changes("/tmp/work").await?.value);
    /// # Ok(()) }
    /// ```
    pub async fn changes(&self, path: &str) -> Result<Response<Vec<FileChange>>> {
        let text = self.call("get_file_change", json!({"path": path})).await?;
        let changes = serde_json::from_str(&text).map_err(|error| {
            Error::unexpected(&format!("getting the changes of {path}"), error.to_string(), Some(text.request_id.clone()))
        })?;
        Ok(text.map(|_| changes))
    }

    async fn edit_file(&self, path: &str, edits: Vec<Edit>, dry_run: bool) -> Result<Response<String>> {
        if edits.is_empty() {
            return Err(Error::invalid(format!("no edits for {path}: give at least one")));
        }
        self.call("edit_file", json!({"path": path, "edits": edits, "dryRun": dry_run})).await
    }

    async fn call(&self, tool: &str, arguments: Value) -> Result<Response<String>> {
        self.session.call_tool(tool, arguments).await
    }
}
