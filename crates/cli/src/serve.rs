//! `roadstead serve`: the composition root. Picks the back ends, starts them in order, serves, drains.

mod args;
mod banner;
mod ca_bundle;
mod data_dir;
mod logging;
mod system;
mod trust_store;

pub(crate) use args::ServeArgs;

use crate::failure::Failure;
use crate::output;
use crate::profile::{SERVER_FILE, ServerFile, instance_id, starter_socket};
use control::{ContextLimits, Control, ControlConfig, Parts};
use data_dir::{DataDir, write_private};
use gateway::{GatewayConfig, GatewayError};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use runtime::native::Native;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::objects::ObjectsLocation;
use store::{Objects, ObjectsError, SqliteStore};
use system::{SystemClock, SystemEntropy};
use tokio::signal::unix::{Signal, SignalKind, signal};
use types::{IdlePolicy, OutputLimit, SandboxLimits, error_chain};

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

    warn_of_images(&control, args).await?;
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
    let mut defaults = ControlConfig::default();
    defaults.image_aliases.extend(args.image_alias.iter().cloned());
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
        ..defaults
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

/// A server without its default image serves, but cannot make the sessions that most clients ask for; an alias that is an
/// image's own name is not what its giver thinks.
async fn warn_of_images(control: &Control, args: &ServeArgs) -> Result<(), Failure> {
    let default = &args.default_image;
    if control.image(default.as_str()).await.is_err() {
        output::remark(format!(
            "image {default}, the default, is not on this host: sessions cannot be made from it; run `roadstead image build {default}`"
        ));
    }
    let images = control.images().await.map_err(|fault| Failure::new(fault.chain()))?;
    for (alias, image) in args.image_alias.iter().filter(|(alias, image)| alias != image && images.iter().any(|there| there.id == *alias)) {
        output::remark(format!("{alias} is an image on this host and keeps its name: the alias for {image} has no effect"));
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
