//! The starter's command line.

use std::path::PathBuf;

/// Makes Roadstead's sandboxes. The one program that needs root; it serves one server, over a private socket.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "roadstead-starter", version)]
pub(crate) struct Options {
    /// Name of this instance: lower-case letters, digits and dashes. Cgroups and directories are named after it.
    #[arg(long, value_parser = instance)]
    pub(crate) instance: String,
    /// The user whose server may connect.
    #[arg(long, value_name = "UID")]
    pub(crate) server_uid: u32,
    /// The guest's binary.
    #[arg(long, value_name = "PATH")]
    pub(crate) guest: PathBuf,
    /// The egress process's binary.
    #[arg(long, value_name = "PATH")]
    pub(crate) egress: PathBuf,
    /// Where the images are.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/roadstead/images")]
    pub(crate) images_dir: PathBuf,
    /// Where sandboxes keep what they write; for root only [default: /var/lib/roadstead/starters/INSTANCE].
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where the socket, starter.sock, is made [default: /run/roadstead/INSTANCE].
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Resolver the egress process asks, may be repeated; without it the host's.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) dns: Vec<std::net::SocketAddr>,
    /// Stay in the foreground and log to standard error.
    #[arg(long)]
    pub(crate) foreground: bool,
    /// Name overlay layers by path, as kernels before 6.13 need it.
    #[arg(long, env = "ROADSTEAD_OVERLAY_BY_PATH", hide = true)]
    pub(crate) overlay_by_path: bool,
    /// Mount erofs files through loop devices, as kernels before 6.12 need it.
    #[arg(long, env = "ROADSTEAD_EROFS_BY_LOOP", hide = true)]
    pub(crate) erofs_by_loop: bool,
}

impl Options {
    /// Root's own directory of this instance.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(|| PathBuf::from("/var/lib/roadstead/starters").join(&self.instance))
    }

    /// The directory with the socket.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.run_dir.clone().unwrap_or_else(|| PathBuf::from("/run/roadstead").join(&self.instance))
    }

    /// What is passed on to the egress process.
    pub(crate) fn egress_arguments(&self) -> Vec<String> {
        self.dns.iter().flat_map(|address| ["--dns".to_owned(), address.to_string()]).collect()
    }
}

fn instance(text: &str) -> Result<String, String> {
    let well_formed = (1..=40).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if well_formed { Ok(text.to_owned()) } else { Err("1 to 40 lower-case letters, digits and dashes, no dash first".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn parse(extra: &[&str]) -> Result<Options, clap::Error> {
        let given = ["roadstead-starter", "--server-uid", "1000", "--guest", "/g", "--egress", "/e"];
        Options::try_parse_from(given.iter().chain(extra))
    }

    #[test]
    fn directories_follow_the_instance() {
        let options = parse(&["--instance", "main"]).unwrap();
        assert_eq!(options.state_dir(), PathBuf::from("/var/lib/roadstead/starters/main"));
        assert_eq!(options.run_dir(), PathBuf::from("/run/roadstead/main"));
        assert_eq!(parse(&["--instance", "a", "--run-dir", "/x"]).unwrap().run_dir(), PathBuf::from("/x"));
    }

    #[test]
    fn an_instance_is_one_plain_name() {
        for bad in ["", "..", "a/b", "A", "-a", &"a".repeat(41)] {
            assert!(parse(&[&format!("--instance={bad}")]).is_err(), "{bad}");
        }
    }

    #[test]
    fn resolvers_are_passed_on() {
        let options = parse(&["--instance", "a", "--dns", "127.0.0.1:53", "--dns", "[::1]:53"]).unwrap();
        assert_eq!(options.egress_arguments(), ["--dns", "127.0.0.1:53", "--dns", "[::1]:53"]);
    }
}
