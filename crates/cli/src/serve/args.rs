//! The options of `roadstead serve`.

use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use types::ImageId;
use url::Url;

/// Serve in the foreground. Each option is also an environment variable
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// Where HTTPS clients connect
    #[arg(long, env = "ROADSTEAD_LISTEN", default_value = "127.0.0.1:8443", value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// Where plain-HTTP clients on this machine connect; `off` for nowhere. Loopback addresses only
    #[arg(long, env = "ROADSTEAD_HTTP_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR:PORT|off", value_parser = address_or_off)]
    pub(crate) http_listen: OptionalAddress,
    /// Where links into sessions are served, an origin of their own
    #[arg(long, env = "ROADSTEAD_LINKS_LISTEN", default_value = "127.0.0.1:8444", value_name = "ADDR:PORT")]
    pub(crate) links_listen: SocketAddr,
    /// URL under which clients reach --listen [default: https://localhost:PORT]
    #[arg(long, env = "ROADSTEAD_PUBLIC_URL", value_name = "URL")]
    pub(crate) public_url: Option<Url>,
    /// URL under which browsers reach --links-listen [default: https://localhost:PORT]
    #[arg(long, env = "ROADSTEAD_LINKS_URL", value_name = "URL")]
    pub(crate) links_url: Option<Url>,
    /// Further host names or addresses for the server certificate, comma-separated
    #[arg(long, env = "ROADSTEAD_TLS_NAMES", value_delimiter = ',', value_name = "NAME")]
    pub(crate) tls_names: Vec<String>,
    /// The starter's socket [default: /run/roadstead/INSTANCE/starter.sock]
    #[arg(long, env = "ROADSTEAD_STARTER_SOCKET", value_name = "PATH")]
    pub(crate) starter_socket: Option<PathBuf>,
    /// Image of a session whose client names none
    #[arg(long, env = "ROADSTEAD_DEFAULT_IMAGE", default_value = "linux_latest", value_name = "ID")]
    pub(crate) default_image: ImageId,
    /// A further name of an image; may be given several times, in the variable comma-separated. AGB's own names stand for
    /// images from the start (COMPATIBILITY.md); one that is given here means something else from then on
    #[arg(long, env = "ROADSTEAD_IMAGE_ALIASES", value_name = "NAME=ID", value_delimiter = ',', value_parser = image_alias)]
    pub(crate) image_alias: Vec<(ImageId, ImageId)>,
    /// Idle seconds after which a session is released when its client says nothing; 0 for never
    #[arg(long, env = "ROADSTEAD_IDLE_SECONDS", default_value_t = 1800, value_name = "SECONDS")]
    pub(crate) idle_seconds: u64,
    /// Seconds after which a session is released whatever it does, when its client says nothing; 0 for never
    #[arg(long, env = "ROADSTEAD_MAX_LIFE_SECONDS", default_value_t = 86_400, value_name = "SECONDS")]
    pub(crate) max_life_seconds: u64,
    /// Memory limit of a session, MiB
    #[arg(long, env = "ROADSTEAD_MEMORY_MIB", default_value_t = 2048, value_name = "MIB", value_parser = clap::value_parser!(u64).range(32..))]
    pub(crate) memory_mib: u64,
    /// CPU limit of a session, thousandths of a core
    #[arg(long, env = "ROADSTEAD_CPU_MILLIS", default_value_t = 2000, value_name = "MILLICORES", value_parser = clap::value_parser!(u32).range(10..))]
    pub(crate) cpu_millis: u32,
    /// Processes and threads a session may have
    #[arg(long, env = "ROADSTEAD_PIDS", default_value_t = 2048, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(16..))]
    pub(crate) pids: u32,
    /// Live sessions one tenant may have
    #[arg(long, env = "ROADSTEAD_SESSIONS_PER_TENANT", default_value_t = 1000, value_name = "COUNT")]
    pub(crate) sessions_per_tenant: u32,
    /// Where the files of contexts are kept: a directory, or s3://BUCKET/PREFIX with endpoint, region and credentials from
    /// the environment (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) [default: DATA_DIR/objects]
    #[arg(long, env = "ROADSTEAD_OBJECTS", value_name = "URL")]
    pub(crate) objects: Option<String>,
    /// Contexts one tenant may have
    #[arg(long, env = "ROADSTEAD_CONTEXTS_PER_TENANT", default_value_t = 10_000, value_name = "COUNT")]
    pub(crate) contexts_per_tenant: u64,
    /// What the contexts of one tenant may hold, MiB
    #[arg(long, env = "ROADSTEAD_CONTEXT_MIB_PER_TENANT", default_value_t = 1 << 20, value_name = "MIB", value_parser = clap::value_parser!(u64).range(..=1 << 40))]
    pub(crate) context_mib_per_tenant: u64,
    /// Files one context may have
    #[arg(long, env = "ROADSTEAD_FILES_PER_CONTEXT", default_value_t = 1_000_000, value_name = "COUNT")]
    pub(crate) files_per_context: u64,
    /// Size of one file in a context, MiB
    #[arg(long, env = "ROADSTEAD_CONTEXT_FILE_MIB", default_value_t = 40 << 10, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=40 << 10))]
    pub(crate) context_file_mib: u64,
    /// Bytes kept of each of a command's output streams; the rest is counted and reported as cut
    #[arg(long, env = "ROADSTEAD_OUTPUT_BYTES", default_value_t = 1 << 20, value_name = "BYTES")]
    pub(crate) output_bytes: usize,
    /// What the log keeps, as a `tracing` filter
    #[arg(long, env = "ROADSTEAD_LOG", default_value = "info,rmcp=warn", value_name = "FILTER")]
    pub(crate) log: String,
}

/// An address, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OptionalAddress(pub Option<SocketAddr>);

fn address_or_off(text: &str) -> Result<OptionalAddress, String> {
    match text {
        "off" => Ok(OptionalAddress(None)),
        _ => text.parse().map(|address| OptionalAddress(Some(address))).map_err(|error| format!("{error}; write ADDR:PORT or off")),
    }
}

fn image_alias(text: &str) -> Result<(ImageId, ImageId), String> {
    let (name, image) = text.split_once('=').ok_or("write NAME=ID, such as my-image=code_latest")?;
    Ok((name.trim().parse().map_err(|error| format!("{error}"))?, image.trim().parse().map_err(|error| format!("{error}"))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        serve: ServeArgs,
    }

    #[test]
    fn aliases_are_given_one_by_one_or_together() {
        let aliases = |args: &[&str]| {
            let line = Line::try_parse_from([&["serve"], args].concat()).map_err(|error| error.to_string())?;
            Ok::<_, String>(line.serve.image_alias.iter().map(|(alias, image)| format!("{alias}>{image}")).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(aliases(&[]).unwrap(), "");
        assert_eq!(aliases(&["--image-alias", "a=b", "--image-alias=c.1=d_2,e-3 = f"]).unwrap(), "a>b c.1>d_2 e-3>f");
        for wrong in ["a", "a=", "=b", "a=../b", "a=b=c"] {
            let error = aliases(&["--image-alias", wrong]).unwrap_err();
            assert!(error.contains("--image-alias") && (error.contains("NAME=ID") || error.contains("image")), "{error}");
        }
    }
}
