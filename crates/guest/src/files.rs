//! The filesystem tools. Each acts as the call's user: the kernel checks permissions with that user's ids, on a thread
//! that gave up the guest's own for the time.
//!
//! Paths are absolute or relative to the user's home and are resolved by the kernel as for any program in the sandbox,
//! `..` and symbolic links included. There is nothing to escape to: the sandbox's root is the guest's root.

mod change;
mod delete;
mod edit;
mod identity;
mod info;
mod list;
mod r#move;
mod read;
mod search;
mod write;

pub use change::Watches;
pub(crate) use change::{MAX_WATCHED, Mark, change, changes, mark};
pub use identity::as_user;

use protocol::{ToolError, ToolErrorCode};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use types::SandboxUser;

pub use delete::delete_file;
pub use edit::edit_file;
pub use info::get_file_info;
pub use list::list_directory;
pub use r#move::move_file;
pub use read::{read_file, read_multiple_files};
pub use search::search_files;
pub(crate) use write::make_directories;
pub use write::{create_directory, write_file};

/// Longest path the kernel takes, bytes.
const MAX_PATH: usize = 4096;

/// The absolute path that `path` names for `user`.
pub(crate) fn resolve(user: SandboxUser, path: &str) -> Result<PathBuf, ToolError> {
    if path.is_empty() {
        return Err(ToolError::invalid("the path is empty; give an absolute path or one relative to the home directory"));
    }
    if path.contains('\0') {
        return Err(ToolError::invalid(format!("the path {path:?} contains a NUL byte; a path cannot")));
    }
    // Taken apart and put together, `.` and doubled slashes are gone; `..` stays, as only the kernel knows where it leads.
    let absolute: PathBuf = Path::new(user.home()).join(path).components().collect();
    if absolute.as_os_str().len() >= MAX_PATH {
        let message = format!("the path is {} bytes long; at most {} are possible", absolute.as_os_str().len(), MAX_PATH - 1);
        return Err(ToolError::invalid(message));
    }
    Ok(absolute)
}

/// Opens the regular file at `path`. Never waits for a pipe's other end and never opens a device, which could act on it.
pub(crate) fn open_regular(path: &Path, options: &mut OpenOptions) -> Result<(File, Metadata), ToolError> {
    let doing = failed("opening", path);
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(wrong_type(path, &metadata)),
        _ => {}
    }
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = options.custom_flags(flags.bits().cast_signed()).open(path).map_err(&doing)?;
    let metadata = file.metadata().map_err(&doing)?;
    // Looked at again, because the path may have been given to something else meanwhile.
    if metadata.is_file() { Ok((file, metadata)) } else { Err(wrong_type(path, &metadata)) }
}

pub(crate) fn wrong_type(path: &Path, metadata: &Metadata) -> ToolError {
    let what = if metadata.is_dir() { "a directory" } else { "a device, socket or pipe" };
    ToolError::new(ToolErrorCode::WrongFileType, format!("{} is {what}; a regular file is needed", path.display()))
}

/// Turns an I/O error of an operation on a path into what the caller is told.
pub(crate) fn failed<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> ToolError + 'a {
    move |error| {
        let path = path.display();
        let code = match error.kind() {
            io::ErrorKind::NotFound => ToolErrorCode::NotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ToolErrorCode::PermissionDenied,
            io::ErrorKind::AlreadyExists => ToolErrorCode::AlreadyExists,
            io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => ToolErrorCode::WrongFileType,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ToolErrorCode::NoSpace,
            io::ErrorKind::FileTooLarge => ToolErrorCode::TooLarge,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => ToolErrorCode::InvalidArgument,
            _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => ToolErrorCode::InvalidArgument,
            _ => ToolErrorCode::Internal,
        };
        ToolError::new(code, format!("{doing} {path} failed: {error}"))
    }
}

/// Refuses to go on with a long walk that nobody waits for any more.
fn check_cancelled(cancel: &tokio_util::sync::CancellationToken) -> Result<(), ToolError> {
    if cancel.is_cancelled() { Err(ToolError::new(ToolErrorCode::Cancelled, "the call was cancelled")) } else { Ok(()) }
}
