//! A sandbox's root: an overlay over its image's layers, with an upper directory of its own.
//!
//! The layers below are seen through the sandbox's uid range (idmapped mounts). The upper is not: the overlay belongs
//! to the host, whose uid 0 has no id in that map, so its directory is given to the range's first uid instead.

use super::janitor::Janitor;
use super::sys::{self, FsContext};
use super::text::{c_path, c_text};
use nix::mount::{MntFlags, umount2};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How layers are named to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverlayBy {
    /// By descriptor, kernel 6.13 and later.
    Fd,
    /// By path.
    Path,
}

impl OverlayBy {
    /// What this kernel can do.
    pub(crate) fn probe() -> Self {
        let attempt = || {
            let root = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open("/")?;
            FsContext::open(c"overlay")?.set_fd(c"lowerdir+", root.as_fd())
        };
        if attempt().is_ok() { Self::Fd } else { Self::Path }
    }

    /// Its name among a sandbox's layers.
    pub(crate) fn layer(self) -> &'static str {
        match self {
            Self::Fd => "overlay-fd",
            Self::Path => "overlay-path",
        }
    }
}

/// A sandbox's own directory on disk. Dropping it moves it out of the way at once and removes it in the background.
#[derive(Debug)]
pub(crate) struct Upper {
    dir: PathBuf,
    janitor: Arc<Janitor>,
}

impl Upper {
    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Makes directory `dir` with the upper and the work directory, the upper owned by `owner`.
    pub(crate) fn create(dir: PathBuf, owner: u32, janitor: Arc<Janitor>) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(&dir)?;
        let upper = Self { dir, janitor };
        for part in [upper.part("u"), upper.part("w")] {
            DirBuilder::new().mode(0o755).create(&part)?;
            chown(&part, Some(owner), Some(owner))?;
        }
        Ok(upper)
    }

    fn part(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Drop for Upper {
    fn drop(&mut self) {
        self.janitor.discard(&self.dir);
    }
}

/// Makes the overlay as a detached mount: `layers`, lowest first and seen through `map`, under `upper`.
pub(crate) fn mount<'a>(
    by: OverlayBy,
    layers: impl DoubleEndedIterator<Item = &'a Path>,
    map: BorrowedFd<'_>,
    upper: &Upper,
) -> io::Result<OwnedFd> {
    // The kernel wants the topmost layer first.
    let layers = layers.rev().map(|layer| mapped_clone(layer, map)).collect::<io::Result<Vec<_>>>()?;
    let context = FsContext::open(c"overlay")?;
    match by {
        OverlayBy::Fd => by_fd(&context, &layers, upper)?,
        OverlayBy::Path => return by_path(context, &layers, upper),
    }
    finish(context)
}

fn finish(context: FsContext) -> io::Result<OwnedFd> {
    // Without it the end of a sandbox would wait until everything it wrote is on disk, only to be removed.
    context.set_flag(c"volatile")?;
    context.mount(libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID)
}

fn mapped_clone(layer: &Path, map: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let clone = sys::clone_mount(&c_path(layer)?)?;
    match sys::set_mount_attributes(clone.as_fd(), libc::MOUNT_ATTR_RDONLY, Some(map)) {
        Ok(()) => Ok(clone),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            let text =
                format!("the file system of layer {} has no idmapped mounts; keep images on ext4, xfs, btrfs or as erofs", layer.display());
            Err(io::Error::new(error.kind(), text))
        }
        Err(error) => Err(error),
    }
}

fn by_fd(context: &FsContext, layers: &[OwnedFd], upper: &Upper) -> io::Result<()> {
    for layer in layers {
        context.set_fd(c"lowerdir+", layer.as_fd())?;
    }
    let open =
        |part| -> io::Result<File> { OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(upper.part(part)) };
    context.set_fd(c"upperdir", open("u")?.as_fd())?;
    context.set_fd(c"workdir", open("w")?.as_fd())
}

/// Attaches the layers for as long as the kernel needs to look their paths up.
fn by_path(context: FsContext, layers: &[OwnedFd], upper: &Upper) -> io::Result<OwnedFd> {
    let mut attached = Attached(Vec::new());
    for (index, layer) in layers.iter().enumerate() {
        let target = upper.part(&format!("l{index}"));
        DirBuilder::new().mode(0o700).create(&target)?;
        sys::attach_mount(layer.as_fd(), &c_path(&target)?)?;
        attached.0.push(target);
    }
    let paths: Vec<_> = attached.0.iter().map(|path| path.to_string_lossy()).collect();
    context.set_string(c"lowerdir", &c_text(&paths.join(":"))?)?;
    context.set_string(c"upperdir", &c_path(&upper.part("u"))?)?;
    context.set_string(c"workdir", &c_path(&upper.part("w"))?)?;
    finish(context)
}

/// Mounts that are taken away again when this is dropped.
struct Attached(Vec<PathBuf>);

impl Drop for Attached {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = umount2(path, MntFlags::MNT_DETACH).map(|()| fs::remove_dir(path));
        }
    }
}
