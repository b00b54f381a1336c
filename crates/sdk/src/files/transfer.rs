//! File contents in and out, in pieces.

use super::{FileSystem, PARALLEL_READS, PathKind};
use crate::{Error, Response, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt};
use serde_json::json;

/// Bytes of one read and of one write: what the hosted service takes in a call.
const PIECE: u64 = 51_200;
/// Bytes of one binary write, which travels as base64 inside a command line.
const BINARY_PIECE: usize = 36_000;

impl FileSystem {
    /// A whole file as bytes.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let archive = session.files().read_bytes("/tmp/result.tar.gz").await?;
    /// println!("{} bytes", archive.len());
    /// # Ok(()) }
    /// ```
    pub async fn read_bytes(&self, path: &str) -> Result<Response<Vec<u8>>> {
        let info = self.info(path).await?;
        if info.kind == PathKind::Directory {
            return Err(Error::tool("read_file", format!("{path} is a directory: list it instead"), info.request_id));
        }
        // Files of the kernel say that they are empty and are not: the one call with length 0 reads to the end.
        if info.size == 0 { self.read_piece(path, 0, 0).await } else { self.read_pieces(path, 0, info.size).await }
    }

    /// `length` bytes of a file from `offset` on; fewer when it ends before.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let head = session.files().read_range("/bin/sh", 0, 4).await?;
    /// assert_eq!(*head, b"\x7fELF");
    /// # Ok(()) }
    /// ```
    pub async fn read_range(&self, path: &str, offset: u64, length: u64) -> Result<Response<Vec<u8>>> {
        if length == 0 {
            return Err(Error::invalid("a range of 0 bytes holds nothing to read"));
        }
        self.read_pieces(path, offset, length).await
    }

    /// Writes a text file, in place of what is there. Missing parent directories are made.
    ///
    /// A text of more than 50 KiB takes several calls: dropping the future half-way leaves the first part of the file.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.files().write("/tmp/main.py", "print('hello')\n").await?;
    /// # Ok(()) }
    /// ```
    pub async fn write(&self, path: &str, content: impl AsRef<str>) -> Result<Response<()>> {
        self.write_text(path, content.as_ref(), "overwrite").await
    }

    /// Adds text at the end of a file, which is made when it is missing.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.files().append("/tmp/log.txt", "one more line\n").await?;
    /// # Ok(()) }
    /// ```
    pub async fn append(&self, path: &str, content: impl AsRef<str>) -> Result<Response<()>> {
        self.write_text(path, content.as_ref(), "append").await
    }

    /// Writes any bytes, in place of what is there; otherwise like [`FileSystem::write`].
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.files().write_bytes("/tmp/blob", [0xff, 0x00, 0xfe]).await?;
    /// # Ok(()) }
    /// ```
    pub async fn write_bytes(&self, path: &str, content: impl AsRef<[u8]>) -> Result<Response<()>> {
        let content = content.as_ref();
        if let Ok(text) = std::str::from_utf8(content) {
            return self.write_text(path, text, "overwrite").await;
        }
        // The hosted service writes text only, so other bytes go as base64 through a command, which works everywhere.
        // The empty write makes the parents and says in the tool's words what is wrong with the path.
        let mut done = self.write_text(path, "", "overwrite").await?;
        for piece in content.chunks(BINARY_PIECE) {
            let script = format!("printf %s {} | base64 -d >> {}", STANDARD.encode(piece), quote(path));
            let Response { request_id, value, .. } = self.session.command().run(script).await?;
            if !value.success() {
                return Err(Error::tool("shell", format!("writing {path}: {}", value.stderr.trim_end()), request_id));
            }
            done.request_id = request_id;
        }
        Ok(done)
    }

    async fn read_pieces(&self, path: &str, offset: u64, length: u64) -> Result<Response<Vec<u8>>> {
        let end = offset.checked_add(length).ok_or_else(|| Error::invalid("the range ends behind the largest possible file"))?;
        let starts = (0..length.div_ceil(PIECE)).map(|n| offset + n * PIECE);
        let mut pieces = futures::stream::iter(starts)
            .map(|start| async move {
                let wanted = PIECE.min(end - start);
                self.read_piece(path, start, wanted).await.map(|piece| (wanted, piece))
            })
            .buffered(PARALLEL_READS);
        let mut whole = Response::new("", Vec::new());
        while let Some((wanted, piece)) = pieces.try_next().await? {
            whole.value.extend_from_slice(&piece.value);
            whole.request_id = piece.request_id;
            // The file ended here; whatever lies in later pieces was written since and would not fit on.
            if (piece.value.len() as u64) < wanted {
                break;
            }
        }
        Ok(whole)
    }

    async fn read_piece(&self, path: &str, offset: u64, length: u64) -> Result<Response<Vec<u8>>> {
        let arguments = json!({"path": path, "offset": offset, "length": length, "format": "binary"});
        let text = self.call("read_file", arguments).await?;
        let compact: String = text.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(&compact).map_err(|error| {
            Error::unexpected(&format!("reading {path}"), format!("it is no base64: {error}"), Some(text.request_id.clone()))
        })?;
        Ok(text.map(|_| bytes))
    }

    async fn write_text(&self, path: &str, content: &str, mode: &str) -> Result<Response<()>> {
        let mut pieces = pieces(content).into_iter();
        let first = json!({"path": path, "content": pieces.next().unwrap_or_default(), "mode": mode});
        let mut done = self.call("write_file", first).await?;
        for piece in pieces {
            done = self.call("write_file", json!({"path": path, "content": piece, "mode": "append"})).await?;
        }
        Ok(done.map(drop))
    }
}

/// `text` in pieces of at most [`PIECE`] bytes that end between characters.
fn pieces(mut text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while text.len() as u64 > PIECE {
        let mut end = PIECE as usize;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, rest) = text.split_at(end);
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}

/// `text` as one word for `sh`.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_small_whole_characters_and_join_to_the_text() {
        let check = |text: &str, count| {
            let pieces = pieces(text);
            assert_eq!(pieces.concat(), text);
            assert_eq!(pieces.len(), count);
            assert!(pieces.iter().all(|piece| piece.len() as u64 <= PIECE));
        };
        check("", 1);
        check(&"a".repeat(PIECE as usize), 1);
        check(&"a".repeat(PIECE as usize + 1), 2);
        check(&"漢".repeat(PIECE as usize), 4);
    }

    #[test]
    fn a_quoted_path_stays_one_word() {
        assert_eq!(quote("/tmp/it's $HOME"), r"'/tmp/it'\''s $HOME'");
    }
}
