//! `roadstead serve`: the composition root. Picks the back ends, starts them in order, serves, drains.

mod banner;
mod ca_bundle;
mod data_dir;
mod logging;
mod system;
mod trust_store;

use crate::failure::Failure;
use crate::output;
use crate::profile::{SERVER_FILE, ServerFile, instance_id, starter_socket};
use clap::Args;
use control::{ContextLimits, Control, ControlConfig, Parts};
use data_dir::{DataDir, write_private};
use gateway::{GatewayConfig, GatewayError};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use runtime::native::Native;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::objects::ObjectsLocation;
use store::{Objects, ObjectsError, SqliteStore};
use system::{SystemClock, SystemEntropy};
use tokio::signal::unix::{Signal, SignalKind, signal};
use types::{IdlePolicy, ImageId, OutputLimit, SandboxLimits, error_chain};
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

/// Serves until a signal or `roadstead down`.
pub(crate) fn run(args: &ServeArgs, data_dir: &Path) -> Result<(), Failure> {
    refuse_root()?;
    let data = DataDir::open(data_dir)?;
    let _log = logging::start(&data.file("logs"), &args.log)?;
    raise_file_limit();
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 16);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the asynchronous runtime cannot start: {error}")))?
        .block_on(serve(data_dir, &data, args))
}

/// `roadstead init`: makes the data directory's secrets and prints the first key's text when it makes it.
pub(crate) fn init(data_dir: &Path) -> Result<(), Failure> {
    refuse_root()?;
    let data = DataDir::open(data_dir)?;
    let key = crate::wait_for(async {
        let store = open_store(&data).await?;
        control::first_key(store, Arc::new(SystemClock), Arc::new(SystemEntropy)).await.map_err(|fault| Failure::new(fault.chain()))
    })?;
    if let Some(key) = key {
        crate::output::line(key.text);
    }
    Ok(())
}

async fn serve(data_dir: &Path, data: &DataDir, args: &ServeArgs) -> Result<(), Failure> {
    let started = std::time::Instant::now();
    let instance = instance_id(data_dir);
    let socket = args.starter_socket.clone().unwrap_or_else(|| starter_socket(&instance));
    let runtime = Native::connect(&socket).await.map_err(|error| Failure::new(error.to_string()))?;
    let store = open_store(data).await?;
    let control = Control::start(Parts {
        store: store.clone(),
        objects: open_objects(data, args).await?,
        runtime: Arc::new(runtime),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        node: data.node()?,
        config: control_config(args),
    })
    .await
    .map_err(|fault| Failure::new(fault.chain()))?;
    if let Some(key) = control.first_key().await.map_err(|fault| Failure::new(fault.chain()))? {
        write_private(&data.file("key"), key.text.as_bytes())?;
    }

    warn_of_missing_image(&control, &args.default_image).await?;
    let gateway = gateway::bind(gateway_config(data, args)?, Arc::clone(&control)).await.map_err(|error| cannot_listen(&error))?;
    let addresses = gateway.addresses().clone();
    let ca_bundle = ca_bundle::write(&addresses.ca_pem, &data.file("ca-bundle.pem"))?;
    let trust_store = trust_store::write(&ca_bundle, &data.file("trust-store.p12"))?;
    let file = ServerFile {
        instance,
        pid: std::process::id(),
        endpoint: addresses.public_url.trim_start_matches("https://").to_owned(),
        https: addresses.public_url.clone(),
        http: addresses.http.map(|address| format!("http://{address}")),
        links: addresses.links_url.clone(),
        ca_bundle,
        trust_store: Some(trust_store),
    };
    let text = serde_json::to_vec_pretty(&file).map_err(|error| Failure::new(error.to_string()))?;
    write_private(&data.file(SERVER_FILE), &text)?;
    banner::ready(&file, data_dir, started.elapsed());

    let stop = wait_for_stop(gateway.stop_requested())?;
    let at_once = wait_for_second_signal()?;
    let in_order = async {
        let drained = gateway.serve(stop).await;
        control.drain().await;
        drained.unfinished
    };
    let unfinished = tokio::select! {
        unfinished = in_order => unfinished,
        // As safe as a crash: the next start takes everything over.
        () = at_once => 0,
    };
    let _ = std::fs::remove_file(data.file(SERVER_FILE));
    banner::stopped(data_dir, unfinished);
    Ok(())
}

/// Ends with the first of Ctrl-C, SIGTERM, or a request by `roadstead down`.
fn wait_for_stop(down: impl Future<Output = ()> + Send + 'static) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let (mut interrupt, mut terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => banner::stopping(),
            _ = terminate.recv() => banner::stopping(),
            () = down => {}
        }
    })
}

/// Ends with the second Ctrl-C or SIGTERM, of whoever does not want to wait for running requests.
fn wait_for_second_signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let (mut interrupt, mut terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
    Ok(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
    })
}

fn catch(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(format!("signals cannot be caught: {error}")))
}

/// Lets the server have as many files open as the system allows: every connection and every tunnel is one, and the usual
/// soft limit of 1,024 is far below what the front door takes in.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
}

async fn open_store(data: &DataDir) -> Result<Arc<SqliteStore>, Failure> {
    let path = data.file("roadstead.db");
    let store = SqliteStore::open(&path)
        .await
        .map_err(|error| Failure::new(format!("the database {} cannot be opened: {}", path.display(), error_chain(&error))))?;
    Ok(Arc::new(store))
}

/// A directory is made; a bucket that does not answer now may do so later, and keeps nobody from working without contexts.
async fn open_objects(data: &DataDir, args: &ServeArgs) -> Result<Objects, Failure> {
    let refused = |error: ObjectsError| Failure::new(format!("{error} (--objects, ROADSTEAD_OBJECTS)"));
    // Read here and not with the other options: what is wrong with those is told with their text, and this may have a secret in it.
    let location = match &args.objects {
        Some(text) => text.parse().map_err(refused)?,
        None => ObjectsLocation::Directory(data.file("objects")),
    };
    let objects = Objects::open(&location).map_err(refused)?;
    if let Err(error) = objects.check().await {
        let error = error_chain(&error);
        output::remark(format!("contexts do not work now: {location} does not answer ({error}); check --objects and the AWS_* variables"));
    }
    Ok(objects)
}

fn control_config(args: &ServeArgs) -> ControlConfig {
    let seconds = |n: u64| (n > 0).then(|| Duration::from_secs(n));
    ControlConfig {
        default_image: args.default_image.clone(),
        idle: IdlePolicy { idle: seconds(args.idle_seconds), max_life: seconds(args.max_life_seconds) },
        limits: SandboxLimits {
            memory_bytes: args.memory_mib << 20,
            cpu_millis: args.cpu_millis,
            pids: args.pids,
            ..SandboxLimits::default()
        },
        output: OutputLimit { bytes_per_stream: args.output_bytes },
        sessions_per_tenant: args.sessions_per_tenant,
        contexts: ContextLimits {
            per_tenant: args.contexts_per_tenant,
            bytes_per_tenant: args.context_mib_per_tenant << 20,
            files_per_context: args.files_per_context,
            file_bytes: args.context_file_mib << 20,
            ..ContextLimits::default()
        },
        ..ControlConfig::default()
    }
}

fn gateway_config(data: &DataDir, args: &ServeArgs) -> Result<GatewayConfig, Failure> {
    Ok(GatewayConfig {
        https: args.listen,
        http: args.http_listen.0,
        links: args.links_listen,
        public_url: args.public_url.clone(),
        links_url: args.links_url.clone(),
        tls_names: args.tls_names.clone(),
        ..GatewayConfig::new(data.file("tls"), data.secret()?, Arc::new(SystemClock), Arc::new(SystemEntropy))
    })
}

/// A server without its default image serves, but cannot make the sessions that most clients ask for.
async fn warn_of_missing_image(control: &Control, default: &ImageId) -> Result<(), Failure> {
    let images = control.images().await.map_err(|fault| Failure::new(fault.chain()))?;
    if !images.iter().any(|image| image.id == *default) {
        output::remark(format!(
            "image {default}, the default, is not on this host: sessions cannot be made from it; run `roadstead image build {default}`"
        ));
    }
    Ok(())
}

/// The gateway's words, and the option that changes it.
fn cannot_listen(error: &GatewayError) -> Failure {
    let option = match error {
        GatewayError::AddressInUse { purpose, .. } | GatewayError::Bind { purpose, .. } => match *purpose {
            "http" => " (--http-listen, ROADSTEAD_HTTP_LISTEN)",
            "links" => " (--links-listen, ROADSTEAD_LINKS_LISTEN)",
            _ => " (--listen, ROADSTEAD_LISTEN)",
        },
        _ => "",
    };
    Failure::new(format!("{}{option}", error_chain(error)))
}

fn refuse_root() -> Result<(), Failure> {
    if nix::unistd::geteuid().is_root() {
        return Err(Failure::new(
            "the server does not run as root: only the starter needs root. `make run` starts both, the server as the user `roadstead`",
        ));
    }
    Ok(())
}
