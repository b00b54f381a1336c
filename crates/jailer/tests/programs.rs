//! Everyday programs of this machine under the filter that a sandbox's commands get.

use jailer::seccomp::{Profile, program};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// Runs a shell line under the filter.
fn run(line: &str) -> Output {
    let filter = program(Profile::Command);
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    let install = move || {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
        // SAFETY: two plain system calls; the program lives as long as the closure.
        let failed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) != 0
        };
        if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: `install` allocates nothing and takes no lock.
    unsafe { command.pre_exec(install) };
    command.output().unwrap()
}

fn check(line: &str) {
    let output = run(line);
    assert!(output.status.success(), "{line}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

/// As [`check`], where the machine has `tool`; an image decides what is there, not this test.
fn check_if_there(tool: &str, line: &str) {
    if Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap().status.success() {
        check(line);
    }
}

#[test]
fn shell_and_archives() {
    check(
        "d=$(mktemp -d) && cd $d && mkdir -p a/b && echo x > a/b/c && ln -s c a/b/l && mkfifo f && tar czf t.tgz a && rm -r a && tar xzf t.tgz && test -L a/b/l && cp -a a z && mv z y && find . | wc -l && rm -r $d",
    );
}

#[test]
fn python() {
    check(
        "python3 -c 'import threading, subprocess, sqlite3, socket, ssl, tempfile, multiprocessing as m\n\
         t = threading.Thread(target=lambda: None); t.start(); t.join()\n\
         assert subprocess.run([\"true\"]).returncode == 0\n\
         sqlite3.connect(tempfile.mktemp()).execute(\"create table t(x)\")\n\
         s = socket.create_server((\"127.0.0.1\", 0)); socket.create_connection(s.getsockname())\n\
         with m.get_context(\"fork\").Pool(2) as p: assert p.map(abs, [-1]) == [1]'",
    );
}

#[test]
fn compilers_and_version_control() {
    check_if_there("gcc", "d=$(mktemp -d) && cd $d && echo 'int main(){return 0;}' > a.c && gcc -o a a.c && ./a && rm -r $d");
    check_if_there(
        "git",
        "d=$(mktemp -d) && cd $d && git init -q && echo x > x && git add . && git -c user.name=a -c user.email=a@b commit -qm m && git log | cat && git gc -q && rm -r $d",
    );
    check_if_there("make", "printf 'a:\\n\\ttrue\\n' | make -f - -j4");
    check_if_there("perl", "perl -e 'system(\"true\") == 0 or die'");
}

#[test]
fn runtimes_with_threads_of_their_own() {
    check_if_there(
        "node",
        "node -e 'const fs=require(\"fs\"); fs.readFile(\"/etc/passwd\", e => { if (e) throw e }); new (require(\"worker_threads\").Worker)(\"0\", {eval:true})'",
    );
    check_if_there("java", "java -version");
    check_if_there("go", "go version");
    check_if_there("cargo", "cargo --version");
}

#[test]
fn package_managers() {
    check_if_there("apt-get", "apt-get --simulate -o Debug::NoLocking=1 install bash && dpkg -l > /dev/null");
    check_if_there("pip", "pip --version");
}

#[test]
fn what_is_meant_to_fail_fails() {
    assert!(!run("unshare -r true").status.success());
    assert!(!run("mount -t tmpfs none /mnt").status.success());
}
