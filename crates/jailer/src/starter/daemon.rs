//! One starter per instance, detached from whoever launched it.

use super::host::{self, Problem};
use super::options::Options;
use super::start;
use super::sys;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Starts the starter and returns when its socket answers, or when another one of this instance runs already. In the
/// foreground it returns only when the starter has ended.
///
/// # Errors
/// What is missing on this host, or what went wrong, with the remedy.
pub(crate) fn launch(options: Options) -> Result<(), Problem> {
    host::check(&options)?;
    let (state, run) = (options.state_dir(), options.run_dir());
    make_dir(&state, 0o700)?;
    make_dir(&run, 0o711)?;

    // Launches queue here, so that the second one finds the first one's starter ready.
    let launching = lock_file(&state.join("launch"))?;
    sys::lock(launching.as_fd(), true)
        .map_err(|error| Problem::new(format!("cannot lock {}: {error}", state.join("launch").display()), "check the file system"))?;
    let lock = lock_file(&state.join("lock"))?;
    if sys::lock(lock.as_fd(), false).is_err() {
        let pid = fs::read_to_string(state.join("lock")).unwrap_or_default();
        println!("already running (pid {})", pid.trim());
        return Ok(());
    }
    if options.foreground {
        return serve(options, lock, move |outcome| {
            drop(launching);
            outcome.map(|line| println!("{line}"))
        });
    }

    let (mut heard, said) = io::pipe().map_err(|error| Problem::new(format!("cannot make a pipe: {error}"), "see `ulimit -n`"))?;
    // SAFETY: there is only this one thread, so the child may do whatever the parent could.
    match unsafe { fork() } {
        Err(errno) => Err(Problem::new(format!("cannot fork: {errno}"), "see `ulimit -u` and free memory")),
        Ok(ForkResult::Parent { .. }) => {
            drop((said, lock));
            let mut report = String::new();
            let _ = heard.read_to_string(&mut report);
            match report.split_once('\n') {
                Some(("ready", line)) => {
                    println!("{line}");
                    Ok(())
                }
                Some((problem, remedy)) => Err(Problem::new(problem, remedy)),
                None => {
                    Err(Problem::new("the starter ended while it was starting", format!("see {}", state.join("starter.log").display())))
                }
            }
        }
        Ok(ForkResult::Child) => {
            drop((heard, launching));
            let report = |mut said: io::PipeWriter, text: String| {
                // Nobody listens any more if the launching process was killed; the starter goes on.
                let _ = said.write_all(text.as_bytes());
            };
            if let Err(problem) = detach(&state.join("starter.log")) {
                report(said, format!("{}\n{}", problem.what, problem.remedy));
                std::process::exit(1);
            }
            let outcome = serve(options, lock, move |outcome| match outcome {
                Ok(line) => {
                    report(said, format!("ready\n{line}"));
                    Ok(())
                }
                Err(problem) => {
                    report(said, format!("{}\n{}", problem.what, problem.remedy));
                    Err(problem)
                }
            });
            if let Err(problem) = &outcome {
                crate::log!("{problem}");
            }
            std::process::exit(i32::from(outcome.is_err()));
        }
    }
}

/// Runs the starter until it is told to end. `ready` hears once whether it came up.
fn serve(options: Options, lock: File, ready: impl FnOnce(Result<String, Problem>) -> Result<(), Problem>) -> Result<(), Problem> {
    // Blocked in this thread before others start, so in all of them: the ends of the process are waited for below.
    let mut ends = SigSet::empty();
    ends.add(Signal::SIGTERM);
    ends.add(Signal::SIGINT);
    let blocked = ends.thread_block().map_err(|errno| Problem::new(format!("cannot block signals: {errno}"), "none known"));
    let started = blocked.and_then(|()| {
        write_pid(&lock).map_err(|error| Problem::new(format!("cannot write the lock file: {error}"), "free some disk space"))?;
        start::start(&options)
    });
    let running = match started {
        Ok(running) => running,
        Err(problem) => return ready(Err(problem)),
    };
    ready(Ok(format!("running (pid {}), socket {}", std::process::id(), running.socket.display())))?;
    let _ = ends.wait();
    running.end();
    drop(lock);
    Ok(())
}

/// Cuts every tie to the launching process: its session, its working directory, its standard streams.
fn detach(log: &Path) -> Result<(), Problem> {
    let attempt = || -> io::Result<()> {
        setsid()?;
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
        dup2_stdin(&null)?;
        dup2_stdout(&null)?;
        dup2_stderr(&log)?;
        Ok(())
    };
    attempt().map_err(|error| Problem::new(format!("cannot detach with log {}: {error}", log.display()), "check that directory"))
}

/// A directory of root's with exactly this mode; its parents are made so that others can pass.
fn make_dir(path: &Path, mode: u32) -> Result<(), Problem> {
    let attempt = || -> io::Result<()> {
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        match DirBuilder::new().mode(mode).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = fs::symlink_metadata(path)?;
        if !found.is_dir() || found.uid() != 0 {
            return Err(io::Error::other("it is there, but not as a directory of root's"));
        }
        fs::set_permissions(path, Permissions::from_mode(mode))
    };
    attempt().map_err(|error| {
        Problem::new(format!("cannot use directory {}: {error}", path.display()), "name another one with --state-dir or --run-dir")
    })
}

fn lock_file(path: &Path) -> Result<File, Problem> {
    let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
    open.map_err(|error| Problem::new(format!("cannot open {}: {error}", path.display()), "check that directory"))
}

fn write_pid(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
}
