//! `write_file` and `create_directory`.

use super::{failed, open_regular, resolve};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use protocol::tools::filesystem::{ContentFormat, PathArgs, WriteFileArgs, WriteFileResult, WriteMode};
use protocol::{ToolError, ToolErrorCode};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use types::SandboxUser;

/// Clients differ in whether they pad.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Writes a file; missing parents are made.
pub fn write_file(user: SandboxUser, args: WriteFileArgs) -> Result<WriteFileResult, ToolError> {
    let path = resolve(user, &args.path)?;
    let content = match args.format {
        ContentFormat::Text => args.content.into_bytes(),
        ContentFormat::Binary => {
            BASE64.decode(&args.content).map_err(|error| ToolError::invalid(format!("content is not base64: {error}")))?
        }
    };
    if let Some(parent) = path.parent() {
        make_directories(parent)?;
    }
    let doing = failed("writing", &path);
    match args.mode {
        WriteMode::Overwrite => {
            let (file, _) = open_regular(&path, OpenOptions::new().write(true).create(true))?;
            replace_content(&file, &content).map_err(doing)?;
        }
        WriteMode::Append => {
            let (mut file, _) = open_regular(&path, OpenOptions::new().append(true).create(true))?;
            let before = file.metadata().map_err(&doing)?.len();
            reserve(&file, before, content.len() as u64).map_err(&doing)?;
            file.write_all(&content).map_err(doing)?;
        }
        WriteMode::CreateNew => {
            let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(&doing)?;
            file.write_all(&content).map_err(doing)?;
        }
    }
    Ok(WriteFileResult { bytes_written: content.len() as u64 })
}

/// Makes a directory and its missing parents; one that exists is fine.
pub fn create_directory(user: SandboxUser, args: &PathArgs) -> Result<(), ToolError> {
    make_directories(&resolve(user, &args.path)?)
}

pub(crate) fn make_directories(path: &Path) -> Result<(), ToolError> {
    fs::create_dir_all(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let message = format!("{} exists and is no directory", path.display());
            ToolError::new(ToolErrorCode::WrongFileType, message)
        }
        _ => failed("making the directory", path)(error),
    })
}

/// Replaces a file's content in place.
///
/// In place, not by a new file renamed over it: so its inode, links, owner, mode and extended attributes stay, and it
/// also works where the user may write the file but not its directory. Room is reserved first, so that a full disk is
/// noticed while the old content is still whole.
pub(super) fn replace_content(file: &File, content: &[u8]) -> io::Result<()> {
    let (before, after) = (file.metadata()?.len(), content.len() as u64);
    reserve(file, before, after.saturating_sub(before))?;
    file.write_all_at(content, 0)?;
    file.set_len(after)
}

/// Makes sure that `length` bytes from `offset` can be written. Some file systems cannot promise that.
fn reserve(file: &File, offset: u64, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::KEEP_SIZE, offset, length) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn write(path: &std::path::Path, content: &str, mode: WriteMode, format: ContentFormat) -> Result<u64, ToolErrorCode> {
        let args = WriteFileArgs { path: path.to_str().unwrap().into(), content: content.into(), mode, format };
        write_file(SandboxUser::Root, args).map(|result| result.bytes_written).map_err(|error| error.code)
    }

    #[test]
    fn modes_do_what_they_say() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/deep/file");
        let text = ContentFormat::Text;
        assert_eq!(write(&path, "hello world", WriteMode::CreateNew, text), Ok(11));
        assert_eq!(write(&path, "x", WriteMode::CreateNew, text), Err(ToolErrorCode::AlreadyExists));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o741)).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        assert_eq!(write(&path, "short", WriteMode::Overwrite, text), Ok(5));
        assert_eq!(write(&path, "!\n", WriteMode::Append, text), Ok(2));
        assert_eq!(fs::read(&path).unwrap(), b"short!\n");
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.ino(), metadata.mode() & 0o777), (inode, 0o741), "overwriting keeps the file itself");
        assert_eq!(write(dir.path(), "x", WriteMode::Overwrite, text), Err(ToolErrorCode::WrongFileType));
        assert_eq!(write(&path.join("below"), "x", WriteMode::Overwrite, text), Err(ToolErrorCode::WrongFileType));
    }

    #[test]
    fn base64_is_decoded_padded_or_not_and_nonsense_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for content in ["AP8=", "AP8"] {
            assert_eq!(write(&path, content, WriteMode::Overwrite, ContentFormat::Binary), Ok(2));
            assert_eq!(fs::read(&path).unwrap(), [0, 255]);
        }
        assert_eq!(write(&path, "?", WriteMode::Overwrite, ContentFormat::Binary), Err(ToolErrorCode::InvalidArgument));
        assert_eq!(fs::read(&path).unwrap(), [0, 255], "refused before anything was written");
    }
}
