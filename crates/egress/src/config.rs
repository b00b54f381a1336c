//! What the program can be told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jailer::net::IpNet;

/// Serves the way out of sandboxes. Started by roadstead-starter, with a control socket on descriptor 3.
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Config {
    /// A nameserver to ask, as IP:PORT; may be repeated. Default: those of the host's resolv.conf, read again when it
    /// changes.
    #[arg(long = "dns", value_name = "IP:PORT")]
    pub dns: Vec<SocketAddr>,

    /// Where the host's nameservers stand.
    #[arg(long, value_name = "FILE", default_value = "/etc/resolv.conf")]
    pub resolv_conf: PathBuf,

    /// A private network that sandboxes may reach all the same; may be repeated. Never opens the host itself, link-local
    /// addresses or metadata services.
    #[arg(long = "allow", value_name = "CIDR")]
    pub allow: Vec<IpNet>,

    /// Seconds until a dial is given up.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub dial_timeout: Duration,

    /// Seconds a nameserver has to answer before the next is asked.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub dns_timeout: Duration,

    /// Connections one sandbox may have open at a time; more are reset.
    #[arg(long, value_name = "NUMBER", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub connections: u32,

    /// DNS queries one sandbox may have under way at a time; more are dropped.
    #[arg(long, value_name = "NUMBER", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub queries: u32,

    /// Threads.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = threads)]
    pub workers: usize,

    /// Least severe log lines to write: error, warn, info, debug (each refused connection) or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: tracing::Level,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(duration)) if !duration.is_zero() && duration <= Duration::from_secs(3600) => Ok(duration),
        _ => Err("must be a number of seconds above 0, at most 3600".into()),
    }
}

fn threads(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| (1..=64).contains(n)).ok_or_else(|| "must be 1 to 64".into())
}
