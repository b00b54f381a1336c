//! What this host must have, checked before anything is made.

use super::options::Options;
use super::sys::FsContext;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The oldest kernel that has everything that has no fall-back.
const OLDEST_KERNEL: (u32, u32) = (6, 1);

/// What is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{what}; {remedy}")]
pub(crate) struct Problem {
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) remedy: String,
}

impl Problem {
    /// From both texts.
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

/// Looks for whatever is missing.
///
/// # Errors
/// The first thing that is.
pub(crate) fn check(options: &Options) -> Result<(), Problem> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Problem::new("not started as root", "start it with sudo"));
    }
    check_kernel(nix::sys::utsname::uname().map_or_else(|_| String::new(), |name| name.release().to_string_lossy().into_owned()))?;
    check_file(
        "/proc/sys/user/max_user_namespaces",
        |text| text.trim() != "0",
        || Problem::new("user namespaces are switched off", "set sysctl user.max_user_namespaces to 65536"),
    )?;
    check_file(
        "/proc/sys/kernel/seccomp/actions_avail",
        |text| text.contains("errno"),
        || Problem::new("this kernel has no seccomp filters", "use a kernel with CONFIG_SECCOMP_FILTER"),
    )?;
    if let Err(error) = FsContext::open(c"overlay") {
        return Err(match error.raw_os_error() {
            Some(libc::EPERM) => Problem::new("root here may not mount file systems", "run on the host or in a privileged container"),
            _ => Problem::new(format!("this kernel has no overlay file system ({error})"), "load it with `modprobe overlay`"),
        });
    }
    check_images_dir(&options.images_dir)?;
    check_program(&options.guest, "--guest", 0o001)?;
    check_program(&options.egress, "--egress", 0o001)
}

fn check_kernel(release: String) -> Result<(), Problem> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST_KERNEL => Ok(()),
        _ => {
            let (major, minor) = OLDEST_KERNEL;
            Err(Problem::new(format!("kernel {release} is too old"), format!("use Linux {major}.{minor} or newer")))
        }
    }
}

fn check_file(path: &str, right: impl Fn(&str) -> bool, problem: impl Fn() -> Problem) -> Result<(), Problem> {
    match fs::read_to_string(path) {
        Ok(text) if right(&text) => Ok(()),
        _ => Err(problem()),
    }
}

/// The manifests decide what a sandbox may do, so only root may write them.
fn check_images_dir(dir: &Path) -> Result<(), Problem> {
    let shown = dir.display();
    match fs::metadata(dir) {
        Err(error) => Err(Problem::new(
            format!("images directory {shown}: {error}"),
            "make it with `roadstead image build`, or name another with --images-dir",
        )),
        Ok(found) if !found.is_dir() => {
            Err(Problem::new(format!("{shown} is not a directory"), "name the images directory with --images-dir"))
        }
        Ok(found) if found.uid() != 0 || found.mode() & 0o022 != 0 => {
            Err(Problem::new(format!("others than root can write to {shown}"), format!("chown root {shown} && chmod go-w {shown}")))
        }
        Ok(_) => Ok(()),
    }
}

/// Both programs run as uids that are nobody on the host, so "others" must be able to execute them.
fn check_program(path: &Path, option: &str, needed: u32) -> Result<(), Problem> {
    let shown = path.display();
    match fs::metadata(path) {
        Err(error) => Err(Problem::new(format!("{option} {shown}: {error}"), "build it, or name the right file")),
        Ok(found) if !found.is_file() || found.mode() & needed == 0 => {
            Err(Problem::new(format!("{option} {shown} is not a program that all may execute"), format!("chmod 755 {shown}")))
        }
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_compared_by_number() {
        for good in ["6.1.0-13-amd64", "6.18.44", "7.0", "10.1-rc1"] {
            assert!(check_kernel(good.into()).is_ok(), "{good}");
        }
        for bad in ["5.15.0", "6.0.9", "", "x"] {
            assert!(check_kernel(bad.into()).unwrap_err().to_string().contains("6.1"), "{bad}");
        }
    }

    #[test]
    fn an_images_directory_that_others_can_write_is_refused_with_the_remedy() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        assert!(check_images_dir(dir.path()).is_ok());
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(check_images_dir(dir.path()).unwrap_err().remedy.contains("chmod go-w"));
        assert!(check_images_dir(&dir.path().join("none")).unwrap_err().to_string().contains("image build"));
    }
}
