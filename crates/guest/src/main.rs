//! `roadstead-guest BOOT`: the first process of a sandbox. `BOOT` is a JSON [`GuestBoot`]; descriptor 3 listens.

#![forbid(unsafe_code)]

use protocol::GuestBoot;
use std::error::Error;
use std::os::unix::net::UnixListener as StdListener;
use std::time::Duration;
use tokio::net::UnixListener;

/// Threads for file tools. More would not read a disk any faster.
const MAX_FILE_THREADS: usize = 8;
/// How long an idle one is kept: for good. The runtime panics when it has no thread and the kernel gives it none, which
/// programs inside could bring about with a fork bomb.
const KEEP_THREAD: Duration = Duration::from_secs(365 * 24 * 3600);

fn main() -> Result<(), Box<dyn Error>> {
    jailer::spawn::keep_heap_small();
    let argument = std::env::args().nth(1).ok_or("usage: roadstead-guest BOOT, where BOOT is a JSON document")?;
    let boot: GuestBoot = serde_json::from_str(&argument).map_err(|error| format!("the boot document cannot be used: {error}"))?;
    let listener = StdListener::from(jailer::spawn::take_inherited(GuestBoot::CONTROL_FD)?);
    listener.set_nonblocking(true)?;

    // The sandbox's own root has the guest's rights but not its system calls: it gets no hold of its memory or descriptors.
    nix::sys::prctl::set_dumpable(false)?;
    // What file tools make is private to nobody, and no group of whoever started us opens a file for them.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    nix::unistd::setgroups(&[])?;

    // No signal needs a handler but SIGCHLD: the kernel gives PID 1 none that it does not handle, Rust ignores SIGPIPE.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_FILE_THREADS)
        .thread_keep_alive(KEEP_THREAD)
        .build()?;
    runtime.block_on(async {
        // The first thread is made now, while there certainly is room for it.
        drop(tokio::task::spawn_blocking(|| ()));
        guest::server::run(boot, UnixListener::from_std(listener)?).await
    })?;
    Ok(())
}
