//! One layer of an image, mounted.

use super::super::sys::{self, FsContext};
use super::super::text::c_path;
use nix::mount::{MntFlags, umount2};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerKind {
    /// A plain directory.
    Directory,
    /// An erofs file.
    Erofs,
}

impl LayerKind {
    /// Its name among a sandbox's layers.
    pub(crate) fn layer(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Erofs => "erofs",
        }
    }
}

/// How erofs files are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MountChoice {
    /// From the file itself where the kernel can (6.12), else through a loop device.
    BestOf,
    /// Through a loop device, as on older kernels.
    Loop,
}
/// The choice when nobody forces another.
pub(crate) const CHOOSE: MountChoice = MountChoice::BestOf;

/// A layer where it can be reached; unmounted when dropped (overlays over it hold it by themselves).
#[derive(Debug)]
pub(crate) struct Mounted {
    path: PathBuf,
    kind: LayerKind,
}

impl Mounted {
    /// Mounts the layer `source` at `target`; a plain directory stays where it is.
    pub(crate) fn new(source: &Path, target: &Path, choice: MountChoice) -> io::Result<Self> {
        if fs::symlink_metadata(source)?.is_dir() {
            return Ok(Self { path: source.to_owned(), kind: LayerKind::Directory });
        }
        fs::create_dir_all(target)?;
        let mount = match choice {
            MountChoice::BestOf => mount_erofs(source).or_else(|direct| {
                // Kernels before 6.12 want a block device; on others the first error tells more.
                mount_by_loop(source)
                    .map_err(|by_loop| io::Error::new(direct.kind(), format!("{direct}; through a loop device: {by_loop}")))
            }),
            MountChoice::Loop => mount_by_loop(source),
        }?;
        sys::attach_mount(mount.as_fd(), &c_path(target)?)?;
        Ok(Self { path: target.to_owned(), kind: LayerKind::Erofs })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub(crate) fn kind(&self) -> LayerKind {
        self.kind
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.kind == LayerKind::Erofs {
            // Nothing can be done when it fails; the mount goes with the starter's namespace at the latest.
            let _ = umount2(&self.path, MntFlags::MNT_DETACH).map(|()| fs::remove_dir(&self.path));
        }
    }
}

fn mount_erofs(source: &Path) -> io::Result<OwnedFd> {
    let context = FsContext::open(c"erofs")?;
    context.set_string(c"source", &c_path(source)?)?;
    context.set_flag(c"ro")?;
    context.mount(libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID)
}

/// Mounts through a loop device that goes away with the mount.
fn mount_by_loop(source: &Path) -> io::Result<OwnedFd> {
    const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
    const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
    const LO_FLAGS_READ_ONLY: u32 = 1;
    const LO_FLAGS_AUTOCLEAR: u32 = 4;

    /// The kernel's `struct loop_config` with its `struct loop_info64` written out as far as it is used.
    #[repr(C)]
    struct LoopConfig {
        fd: u32,
        block_size: u32,
        info_before_flags: [u64; 5],
        number_and_encryption: [u32; 3],
        flags: u32,
        info_after_flags: [u8; 64 + 64 + 32 + 16],
        reserved: [u64; 8],
    }
    const _: () = assert!(size_of::<LoopConfig>() == 304);

    let backing = File::open(source)?;
    let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
    loop {
        // SAFETY: takes no argument.
        let index = sys::check(unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) }.into())?;
        let path = PathBuf::from(format!("/dev/loop{index}"));
        let device = File::open(&path)?;
        let config = LoopConfig {
            fd: backing.as_raw_fd() as u32,
            block_size: 0,
            info_before_flags: [0; 5],
            number_and_encryption: [0; 3],
            flags: LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
            info_after_flags: [0; 176],
            reserved: [0; 8],
        };
        // SAFETY: `config` has the layout the kernel reads.
        match sys::check(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) }.into()) {
            // Somebody else took that device in between.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => return Err(error),
            // The device stays open until the mount holds it.
            Ok(_) => return mount_erofs(&path),
        }
    }
}
