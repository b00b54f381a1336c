//! One file, either way. The target is as it was until all bytes are there.

use super::place::Inside;
use super::progress::Progress;
use super::{fresh_name, inside};
use crate::failure::Failure;
use crate::session::terminal;
use roadstead_sdk::FileReader;
use roadstead_sdk::native::{Native, ReadFile, WriteFile};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_util::io::StreamReader;

/// Bytes moved at once.
const PIECE: usize = 256 << 10;

/// A file from here.
pub(super) async fn up(native: &Native, from: &Path, to: &Inside, progress: Progress) -> Result<u64, Failure> {
    let failed = |error| Failure::io("reading", from, &error);
    let file = tokio::fs::File::open(from).await.map_err(failed)?;
    let facts = file.metadata().await.map_err(failed)?;
    let progress = progress.of(Some(facts.len()).filter(|_| facts.is_file()));
    let mode = facts.permissions().mode() & 0o777;
    pour(native, file, &from.display().to_string(), to, WriteFile::new().permissions(mode), progress).await
}

/// What comes on standard input.
pub(super) async fn up_from_stdin(native: &Native, to: &Inside, progress: Progress) -> Result<u64, Failure> {
    let pieces = futures::stream::unfold(terminal::stdin(), async |mut pieces| {
        pieces.recv().await.map(|piece| (Ok::<_, std::io::Error>(std::io::Cursor::new(piece)), pieces))
    });
    let from = StreamReader::new(Box::pin(pieces));
    pour(native, from, "standard input", to, WriteFile::new(), progress).await
}

/// A file to here.
pub(super) async fn down(native: &Native, from: &Inside, to: &Path, progress: Progress) -> Result<u64, Failure> {
    let reader = native.read_file(&from.session, &from.path, ReadFile::new().user(from.user)).await?;
    // What is no file (a terminal, a pipe, /dev/null) is written to, not replaced.
    if to.exists() && !to.is_file() {
        let file = std::fs::OpenOptions::new().write(true).open(to).map_err(|error| Failure::io("writing", to, &error))?;
        return drain(reader, from, file, to, progress).await;
    }
    let to = to.canonicalize().unwrap_or_else(|_| to.to_owned());
    let kept = std::fs::metadata(&to).ok().map(|facts| facts.permissions());
    let fresh = Fresh::beside(&to)?;
    let failed = |error| Failure::io("writing", &to, &error);
    let mode = reader.permissions().unwrap_or(0o644) & 0o777;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh.0).map_err(failed)?;
    if let Some(permissions) = kept {
        file.set_permissions(permissions).map_err(failed)?;
    }
    let bytes = drain(reader, from, file, &to, progress).await?;
    std::fs::rename(&fresh.0, &to).map_err(failed)?;
    Ok(bytes)
}

/// A file to standard output.
pub(super) async fn down_to_stdout(native: &Native, from: &Inside, progress: Progress) -> Result<u64, Failure> {
    let reader = native.read_file(&from.session, &from.path, ReadFile::new().user(from.user)).await?;
    drain(reader, from, std::io::stdout(), Path::new("standard output"), progress).await
}

/// A path beside another, removed again unless it was renamed.
struct Fresh(PathBuf);

impl Fresh {
    fn beside(path: &Path) -> Result<Self, Failure> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self(parent.join(fresh_name()?)))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn pour(
    native: &Native,
    mut from: impl AsyncRead + Unpin,
    name: &str,
    to: &Inside,
    how: WriteFile,
    mut progress: Progress,
) -> Result<u64, Failure> {
    let mut writer = native.write_file(&to.session, &to.path, how.user(to.user))?;
    let mut buffer = vec![0; PIECE];
    loop {
        // A writer that is dropped unfinished leaves the file inside as it was.
        let count = from.read(&mut buffer).await.map_err(|error| Failure::new(format!("reading {name} failed: {error}")))?;
        if count == 0 {
            break;
        }
        writer.write_all(&buffer[..count]).await.map_err(|error| Failure::new(error.to_string()))?;
        progress.add(count);
    }
    Ok(writer.finish().await?)
}

async fn drain(mut reader: FileReader, from: &Inside, mut file: impl Write, to: &Path, progress: Progress) -> Result<u64, Failure> {
    let mut progress = progress.of(reader.len());
    let mut buffer = vec![0; PIECE];
    loop {
        let count = reader.read(&mut buffer).await.map_err(|error| inside("reading", from, error))?;
        if count == 0 {
            file.flush().map_err(|error| Failure::io("writing", to, &error))?;
            return Ok(progress.moved());
        }
        file.write_all(&buffer[..count]).map_err(|error| Failure::io("writing", to, &error))?;
        progress.add(count);
    }
}
