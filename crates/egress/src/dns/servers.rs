//! Which nameservers there are.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Port of DNS.
const PORT: u16 = 53;

/// The nameservers, given or from a file.
#[derive(Debug)]
pub(super) enum Servers {
    /// These.
    Fixed(Arc<[SocketAddr]>),
    /// Those that stand in the file now.
    File {
        /// In the format of resolv.conf.
        path: PathBuf,
        /// As it was read last.
        read: Mutex<Read>,
    },
}

/// A file's contents and what told this state of it from others.
#[derive(Debug, Default)]
pub(super) struct Read {
    stamp: Option<Stamp>,
    servers: Arc<[SocketAddr]>,
}

/// Device, inode, length, and when it was written (seconds and nanoseconds).
type Stamp = (u64, u64, u64, i64, i64);

impl Servers {
    pub(super) fn fixed(servers: &[SocketAddr]) -> Self {
        Self::Fixed(servers.into())
    }

    pub(super) fn of_file(path: PathBuf) -> Self {
        Self::File { path, read: Mutex::default() }
    }

    /// The nameservers now. A file is read again only if it changed; one that is missing names none.
    pub(super) fn current(&self) -> Arc<[SocketAddr]> {
        match self {
            Self::Fixed(servers) => Arc::clone(servers),
            Self::File { path, read } => {
                // Whoever panicked left the state whole: it is replaced in one go.
                let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
                let now = stamp(path);
                if read.stamp != now {
                    let text = fs::read_to_string(path).unwrap_or_default();
                    let servers = parse(&text);
                    tracing::info!(file = %path.display(), ?servers, "nameservers");
                    *read = Read { stamp: now, servers: servers.into() };
                }
                Arc::clone(&read.servers)
            }
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let server: IpAddr = words.next().filter(|word| *word == "nameserver").and(words.next())?.parse().ok()?;
        Some(SocketAddr::new(server, PORT))
    };
    text.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nameserver_lines_count() {
        let text = "# nameserver 9.9.9.9\nsearch example.org\nnameserver 10.0.0.2 \n\tnameserver\t::1\nnameserver\nnameserver x\nnameserverx 1.1.1.1\noptions edns0\n";
        assert_eq!(parse(text), ["10.0.0.2:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let path = std::env::temp_dir().join(format!("egress-resolv-{}", std::process::id()));
        let servers = Servers::of_file(path.clone());
        assert!(servers.current().is_empty(), "there is no file yet");
        fs::write(&path, "nameserver 10.0.0.2\n").unwrap();
        let first = servers.current();
        fs::write(&path, "nameserver 10.0.0.2\nnameserver 10.0.0.3\n").unwrap();
        let second = servers.current();
        fs::remove_file(&path).unwrap();
        assert_eq!((first.len(), second.len(), servers.current().len()), (1, 2, 0));
    }
}
