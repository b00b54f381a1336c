//! Sessions from the command line: commands as streams, terminals, copies, Java's way in.

use anyhow::{Context, Result, ensure};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tests::{Bins, Server};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_commands_output_is_shown_as_it_comes_and_its_input_is_ours() -> Result<()> {
    let (server, id) = session()?;
    let mut child = server
        .command(&Bins::find()?.roadstead)
        .args(["session", "exec", &id, "--", "echo up; until [ -e /tmp/go ]; do sleep 0.02; done; tr a-z A-Z; exit 9"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
    assert_eq!(lines.next().context("nothing came")??, "up");
    server.cli_ok(&["session", "exec", &id, "-n", "--", "touch", "/tmp/go"])?;
    child.stdin.take().context("piped")?.write_all(b"shout\n")?;
    assert_eq!(lines.next().context("nothing came")??, "SHOUT");
    assert_eq!(child.wait()?.code(), Some(9));
    Ok(())
}

#[test]
fn a_shell_is_a_real_terminal() -> Result<()> {
    let (server, id) = session()?;
    let mut terminal = Terminal::open(&server, &["session", "shell", &id])?;
    let cooked = terminal.settings();
    terminal.types("stty size; echo ready-$((1+1))\n")?;
    let shown = terminal.shows("ready-2")?;
    assert_ne!(terminal.settings(), cooked, "keys do not go inside as they are");
    assert!(shown.contains("33 101"), "{shown:?}");
    terminal.pty.resize(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 })?;
    // The new size travels beside the keys: ask until it is there.
    terminal.types("until stty size | grep '40 120'; do sleep 0.05; done; echo sized-$((1+1))\n")?;
    terminal.shows("sized-2")?;
    terminal.types("sleep 4321\n")?;
    // Before it runs, the terminal is still the shell's, which an interrupt would not end.
    server.cli_ok(&["session", "exec", &id, "-n", "--", "until pgrep -f '^sleep 432[1]'; do sleep 0.02; done"])?;
    terminal.types("\x03")?;
    terminal.types("echo alive-$((1+1))\n")?;
    terminal.shows("alive-2")?;
    terminal.types("exit 7\n")?;
    assert_eq!((terminal.end().context("after exit")?, terminal.settings()), (7, cooked.clone()), "the terminal is left as it was");

    let mut left = Terminal::open(&server, &["session", "shell", &id])?;
    left.types("echo here-$((1+1))\n")?;
    left.shows("here-2")?;
    let pid = i32::try_from(left.child.process_id().context("it has ended")?)?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM)?;
    assert_eq!((left.end().context("after a signal")?, left.settings()), (128 + 15, cooked), "a signal leaves the terminal as it was, too");

    let mut command = Terminal::open(&server, &["session", "shell", &id, "--user", "root", "--", "sh", "-c", "tty; id -u; exit 3"])?;
    let shown = command.shows("\n0")?;
    assert!(shown.contains("/dev/pts/"), "{shown:?}");
    assert_eq!(command.end().context("after its program ended")?, 3);
    let left = server.cli_ok(&["session", "exec", &id, "-n", "--", "ls -A /tmp | grep roadstead | wc -l"])?;
    assert_eq!(left, "0\n");
    Ok(())
}

#[test]
fn a_terminal_outlives_a_crash_of_its_server() -> Result<()> {
    // A server that comes back must be where it was.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut server = tests::ServerBuilder::default().serve_arg("--listen").serve_arg(format!("127.0.0.1:{port}")).start()?;
    let id = server.cli_ok(&["session", "create"])?.trim().to_owned();
    let mut terminal = Terminal::open(&server, &["session", "shell", &id])?;
    terminal.types("x=41; echo up-$x\n")?;
    terminal.shows("up-41")?;
    server.crash_and_restart()?;
    terminal.types("echo back-$((x+1)); exit 4\n")?;
    terminal.shows("back-42")?;
    assert_eq!(terminal.end()?, 4);
    Ok(())
}

#[test]
fn a_shell_without_a_terminal_is_a_pipe() -> Result<()> {
    let (server, id) = session()?;
    let mut child =
        server.command(&Bins::find()?.roadstead).args(["session", "shell", &id]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("piped")?.write_all(b"tty || echo none; exit 6\n")?;
    let output = child.wait_with_output()?;
    assert_eq!((output.status.code(), String::from_utf8(output.stdout)?.trim().ends_with("none")), (Some(6), true));
    Ok(())
}

#[test]
fn files_and_trees_are_copied_both_ways() -> Result<()> {
    let (server, id) = session()?;
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name).to_str().expect("a test's path").to_owned();
    let tree = dir.path().join("tree");
    std::fs::create_dir_all(tree.join("a b/empty"))?;
    std::fs::write(tree.join("a b/it's \"odd\"\n"), "odd")?;
    std::fs::write(tree.join("-n"), "dash")?;
    std::fs::write(tree.join("x".repeat(200)), "long")?;
    std::fs::write(tree.join("run"), "#!/bin/sh\n")?;
    std::fs::set_permissions(tree.join("run"), std::fs::Permissions::from_mode(0o751))?;
    symlink("a b/nowhere", tree.join("link"))?;
    std::fs::create_dir(tree.join("ro"))?;
    std::fs::write(tree.join("ro/inner"), "inner")?;
    std::fs::set_permissions(tree.join("ro"), std::fs::Permissions::from_mode(0o555))?;

    server.cli_ok(&["session", "cp", &path("tree"), &format!("{id}:/tmp/deep/copy")])?;
    server.cli_ok(&["session", "cp", &format!("{id}:/tmp/deep/copy"), &path("back")])?;
    let differences = Command::new("diff").args(["-r", "--no-dereference", &path("tree"), &path("back")]).output()?;
    assert!(differences.status.success(), "{differences:?}");
    let mode = |name: &str| Ok::<_, std::io::Error>(std::fs::metadata(dir.path().join(name))?.permissions().mode() & 0o7777);
    assert_eq!((mode("back/run")?, mode("back/ro")?, mode("back")?), (0o751, 0o555, mode("tree")?));
    assert_eq!(std::fs::read_link(dir.path().join("back/link"))?, Path::new("a b/nowhere"));
    // Into a directory that is there it goes under its own name.
    server.cli_ok(&["session", "cp", &path("tree"), &format!("{id}:/tmp/deep")])?;
    assert_eq!(server.cli_ok(&["session", "exec", &id, "-n", "--", "ls -A /tmp/deep; cat /tmp/deep/tree/-n"])?, "copy\ntree\ndash");

    // One large file, by hash; modes stay.
    let made = Command::new("sh")
        .args(["-c", &format!("head -c 200M /dev/urandom > '{0}/big' && chmod 640 '{0}/big'", dir.path().display())])
        .status()?;
    ensure!(made.success(), "no large file");
    server.cli_ok(&["session", "cp", &path("big"), &format!("{id}:/tmp/big")])?;
    let inside = server.cli_ok(&["session", "exec", &id, "-n", "--", "sha256sum < /tmp/big; stat -c %a /tmp/big"])?;
    let here = String::from_utf8(Command::new("sh").args(["-c", &format!("sha256sum < '{}'", path("big"))]).output()?.stdout)?;
    assert_eq!(inside, format!("{here}640\n"));
    server.cli_ok(&["session", "cp", &format!("{id}:/tmp/big"), &path("again")])?;
    ensure!(std::fs::read(dir.path().join("big"))? == std::fs::read(dir.path().join("again"))?, "the copy differs");

    // As root, both ways, files and trees; relative paths start in its home.
    server.cli_ok(&["session", "cp", "--user", "root", &path("tree"), &format!("{id}:/etc/tree")])?;
    server.cli_ok(&["session", "cp", "--user", "root", &path("tree/run"), &format!("{id}:secret")])?;
    let lock = "stat -c %U /etc/tree/-n /root/secret; chmod -R go= /etc/tree /root/secret";
    assert_eq!(server.cli_ok(&["session", "exec", &id, "--user", "root", "-n", "--", lock])?, "root\nroot\n");
    assert_eq!(server.cli_ok(&["session", "cp", "--user=root", &format!("{id}:/root/secret"), "-"])?, "#!/bin/sh\n");
    server.cli_ok(&["session", "cp", "--user", "root", &format!("{id}:/etc/tree"), &path("root")])?;
    assert_eq!(std::fs::read_to_string(dir.path().join("root/-n"))?, "dash");
    ensure!(!server.cli(&["session", "cp", &format!("{id}:/etc/tree"), &path("none")])?.status.success(), "wuying read root's");
    server.cli_ok(&["session", "exec", &id, "--user", "root", "-n", "--", "rm -r /etc/tree"])?;

    // Streams, and what cannot be.
    assert_eq!(server.cli_ok(&["session", "cp", &format!("{id}:/tmp/deep/copy/-n"), "-"])?, "dash");
    let check = |args: &[&str], words: &[&str]| {
        let output = server.cli(args)?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && words.iter().all(|word| text.contains(word)), "{args:?}: {text}");
        Ok(())
    };
    check(&["session", "cp", &format!("{id}:/tmp/none"), &path("none")], &["/tmp/none", &id])?;
    check(&["session", "cp", &path("none"), &format!("{id}:/tmp/none")], &[&path("none")])?;
    check(&["session", "cp", &path("run"), &path("none")], &["ID:/path"])?;
    check(&["session", "cp", &path("big"), &format!("{id}:/proc/none")], &["/proc/none", &id])?;
    check(&["session", "cp", &path("tree"), &format!("{id}:/etc/tree")], &["/etc", &id])?;
    ensure!(!dir.path().join("none").exists(), "a failed copy left something");
    std::fs::set_permissions(tree.join("ro"), std::fs::Permissions::from_mode(0o755))?;
    std::fs::set_permissions(dir.path().join("back/ro"), std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[test]
fn java_trusts_the_server_by_what_env_says() -> Result<()> {
    let server = Server::start()?;
    let dir = tempfile::tempdir()?;
    let program = dir.path().join("Ask.java");
    let text = "import java.net.*;\npublic class Ask { public static void main(String[] a) throws Exception {\n\
                System.out.println(((HttpURLConnection) new URL(a[0]).openConnection()).getResponseCode()); } }\n";
    std::fs::write(&program, text)?;
    let program = program.to_str().context("a test's path")?;
    let url = format!("{}/v1/health", server.fact("https")?);
    let ask = server.cli(&["env", "--", "java", program, &url])?;
    assert_eq!(String::from_utf8_lossy(&ask.stdout).trim(), "200", "{ask:?}");
    let plain = Command::new("java").env_remove("JAVA_TOOL_OPTIONS").args([program, &url]).output()?;
    assert!(String::from_utf8_lossy(&plain.stderr).contains("PKIX"), "without it Java must not trust: {plain:?}");

    let (store, list) =
        (server.fact("trust_store")?, "keytool -list -storepass changeit -keystore \"$0\" 2>/dev/null | grep -c trustedCertEntry");
    let roots = server.cli_ok(&["env", "--", "sh", "-c", list, &store])?;
    ensure!(roots.trim().parse::<u32>()? > 1, "the system's roots are missing: {roots}");
    let twice = server
        .command(&Bins::find()?.roadstead)
        .env("JAVA_TOOL_OPTIONS", server.sdk_env()?["JAVA_TOOL_OPTIONS"].clone())
        .args(["env", "--json"])
        .output()?;
    let again: serde_json::Value = serde_json::from_slice(&twice.stdout)?;
    assert_eq!(again["JAVA_TOOL_OPTIONS"].as_str(), server.sdk_env()?.get("JAVA_TOOL_OPTIONS").map(String::as_str));
    Ok(())
}

#[test]
fn shells_learn_to_complete() -> Result<()> {
    let bins = Bins::find()?;
    for shell in ["bash", "zsh", "fish"] {
        let output = Command::new(&bins.roadstead).args(["completions", shell]).output()?;
        let script = String::from_utf8(output.stdout)?;
        ensure!(output.status.success() && script.contains("session") && script.contains("cp"), "{shell}: {script:.200}");
        if shell == "bash" {
            let mut check = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn()?;
            check.stdin.take().context("piped")?.write_all(script.as_bytes())?;
            ensure!(check.wait()?.success(), "bash cannot read it");
        }
    }
    Ok(())
}

fn session() -> Result<(Server, String)> {
    let server = Server::start()?;
    let id = server.cli_ok(&["session", "create"])?.trim().to_owned();
    Ok((server, id))
}

/// The command line in a terminal of a person's.
struct Terminal {
    pty: Box<dyn portable_pty::MasterPty + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    shown: Receiver<Vec<u8>>,
}

impl Terminal {
    fn open(server: &Server, args: &[&str]) -> Result<Self> {
        let pair = native_pty_system().openpty(PtySize { rows: 33, cols: 101, pixel_width: 0, pixel_height: 0 })?;
        let mut command = CommandBuilder::new(Bins::find()?.roadstead);
        command.env("ROADSTEAD_DATA_DIR", server.data_dir());
        command.env("TERM", "xterm");
        for name in ["AGENTBAY_API_KEY", "AGENTBAY_ENDPOINT", "ROADSTEAD_KEY_FILE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command.args(args);
        let child = pair.slave.spawn_command(command)?;
        let (keys, mut reader) = (pair.master.take_writer()?, pair.master.try_clone_reader()?);
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self { pty: pair.master, child, keys, shown })
    }

    /// How the terminal treats keys.
    fn settings(&self) -> String {
        format!("{:?}", self.pty.get_termios())
    }

    fn types(&mut self, text: &str) -> Result<()> {
        self.keys.write_all(text.as_bytes())?;
        Ok(self.keys.flush()?)
    }

    /// What is shown from now until `text` is.
    fn shows(&mut self, text: &str) -> Result<String> {
        let (mut seen, until) = (String::new(), Instant::now() + PATIENCE);
        while !seen.contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            let bytes = self.shown.recv_timeout(left).with_context(|| format!("{text:?} was not shown, but {seen:?}"))?;
            seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        Ok(seen)
    }

    fn end(&mut self) -> Result<u32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.exit_code());
            }
            ensure!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
