//! The decisions: sessions, contexts, keys, limits, life. Everything a client can do is one typed call here; a dialect only
//! decodes into it and encodes out of it.
//!
//! Nothing here knows a dialect or makes a system call. Time, randomness and back ends are given from outside.

#![forbid(unsafe_code)]

mod config;
mod context;
mod contexts;
mod cursor;
mod engine;
mod fault;
mod guest;
mod images;
mod key;
mod keyring;
mod session;
mod time;

pub use config::{ControlConfig, Timings};
pub use context::{Identity, OpContext};
pub use contexts::{ByteRange, ContextLimits, ContextPage, ContextView, Contexts, Entry, FileMeta, FileRead, FilesPage, FilesPart};
pub use guest::{Guests, ToolGuest};
pub use key::{KeyInfo, NewKey, NewKeyRequest};
pub use session::{CreateSession, Lifetime, ListSessions, SessionPage, SessionView, ToolCall};

use contexts::settle;
use cursor::Cursors;
use engine::{Engine, Mode};
use guest::RuntimeGuests;
use keyring::Keyring;
use protocol::packet::PacketCodec;
use protocol::{CallMeta, StreamOpen, ToolOutcome};
use runtime::{ByteStream, PacketStream, Runtime};
use session::{auto, call, create, housekeeping, list, recover, stream};
use std::sync::Arc;
use std::time::Duration;
use store::{MetadataStore, Objects};
use tokio_util::sync::CancellationToken;
use types::{CallId, Clock, Entropy, Fault, ImageId, ImageManifest, KeyId, Labels, NodeId, SandboxUser, SessionId, TenantId};

/// What the engine is built from.
#[derive(Debug)]
pub struct Parts {
    /// Metadata.
    pub store: Arc<dyn MetadataStore>,
    /// The files of contexts.
    pub objects: Objects,
    /// Sandboxes.
    pub runtime: Arc<dyn Runtime>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// This server's seat.
    pub node: NodeId,
    /// Limits and defaults.
    pub config: ControlConfig,
}

/// Makes the first tenant (`default`) and its admin key when the store has no key at all, without an engine; returns the
/// key's text once.
pub async fn first_key(store: Arc<dyn MetadataStore>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Option<NewKey>, Fault> {
    Keyring::new(store, clock, entropy, ControlConfig::default().timings.key_recheck).first().await
}

/// The engine.
///
/// Dropping it stops its tasks and leaves the sessions as they are; [`Self::drain`] does so in good order.
#[derive(Debug)]
pub struct Control {
    engine: Arc<Engine>,
    keys: Arc<Keyring>,
    cursors: Cursors,
}

impl Control {
    /// Builds the engine and brings the world in line with the database: adopts live sessions, rolls back half-made
    /// ones, finishes half-deleted ones, ends those whose sandbox is gone.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, Fault> {
        let guests = Arc::new(RuntimeGuests(parts.runtime.clone()));
        Self::start_with_guests(parts, guests).await
    }

    /// As [`Self::start`], with tools that are called in another way than through the back end's streams.
    pub async fn start_with_guests(parts: Parts, guests: Arc<dyn Guests>) -> Result<Arc<Self>, Fault> {
        let engine = Arc::new(Engine::new(parts, guests));
        let mut fresh = [0; 32];
        engine.entropy.fill(&mut fresh);
        let secret = engine.store.shared_secret("listing-cursors", &fresh).await.map_err(|e| fault::store("starting the engine", e))?;
        let recheck = engine.config.timings.key_recheck;
        let keys = Arc::new(Keyring::new(engine.store.clone(), engine.clock.clone(), engine.entropy.clone(), recheck));
        // From here on dropping it stops what has been started.
        let control = Arc::new(Self { keys, cursors: Cursors::new(secret), engine });
        control.engine.images.refresh().await?;
        recover::recover(&control.engine).await?;
        settle::recover(&control.engine).await?;
        tokio::spawn(housekeeping::run(control.engine.clone()));
        Ok(control)
    }

    /// Who holds this API key. [`types::ErrorCode::Unauthenticated`] when unknown or revoked.
    pub async fn authenticate(&self, key_text: &str) -> Result<Identity, Fault> {
        self.keys.authenticate(key_text).await
    }

    /// Refuses what was handed out in the name of a key, such as a link, once that key is revoked.
    /// [`types::ErrorCode::Unauthenticated`] then.
    pub async fn check_not_revoked(&self, tenant: &TenantId, key: &KeyId) -> Result<(), Fault> {
        self.keys.check_not_revoked(tenant, key).await
    }

    /// Makes the first tenant (`default`) and its admin key when there is no key at all; returns the key's text once.
    pub async fn first_key(&self) -> Result<Option<NewKey>, Fault> {
        self.keys.first().await
    }

    /// Makes a key (admin only); the text is in the answer and nowhere else.
    pub async fn create_key(&self, cx: &OpContext, request: NewKeyRequest) -> Result<NewKey, Fault> {
        self.keys.create(cx, request).await
    }

    /// All keys (admin), or those of the caller's tenant.
    pub async fn list_keys(&self, cx: &OpContext) -> Result<Vec<KeyInfo>, Fault> {
        self.keys.list(cx).await
    }

    /// Revokes a key (admin only). The last admin key is refused.
    pub async fn revoke_key(&self, cx: &OpContext, id: &KeyId) -> Result<(), Fault> {
        self.keys.revoke(cx, id).await
    }

    /// Makes a session; returns when it can be used. When the future is dropped before, the session is undone.
    pub async fn create_session(&self, cx: &OpContext, request: CreateSession) -> Result<SessionView, Fault> {
        create::create(&self.engine, cx, request).await
    }

    /// The caller's live session that it calls `name`, made as `request` says when there is none; `request.alias` does not
    /// count. Callers that come at once get the same session. When the future is dropped before, it is undone.
    pub async fn find_or_create_session(&self, cx: &OpContext, name: &str, request: &CreateSession) -> Result<SessionView, Fault> {
        auto::find_or_create(&self.engine, cx, name, request).await
    }

    /// Whether the caller has a live session with that id.
    pub fn is_live(&self, cx: &OpContext, id: &SessionId) -> bool {
        self.engine.sessions.find(&cx.identity.tenant, id).is_ok()
    }

    /// The caller's live session that it calls `name`, if there is one.
    pub fn session_called(&self, cx: &OpContext, name: &str) -> Option<SessionId> {
        Some(self.engine.sessions.find_alias(&cx.identity.tenant, name)?.id.clone())
    }

    /// A live session of the caller's tenant; not found when deleted, deleting, foreign or unknown, all alike.
    /// Not an activity.
    pub async fn session(&self, cx: &OpContext, id: &SessionId) -> Result<SessionView, Fault> {
        Ok(self.engine.sessions.find(&cx.identity.tenant, id)?.view())
    }

    /// Fires when a live session ends for its user, whatever ends it: for who keeps something open towards its client.
    pub fn session_end(&self, cx: &OpContext, id: &SessionId) -> Result<CancellationToken, Fault> {
        Ok(self.engine.sessions.find(&cx.identity.tenant, id)?.work.ended().clone())
    }

    /// A page of live sessions.
    pub async fn list_sessions(&self, cx: &OpContext, request: ListSessions) -> Result<SessionPage, Fault> {
        list::list(&self.engine, &self.cursors, cx, request).await
    }

    /// Replaces a session's labels. An empty set is refused.
    pub async fn set_labels(&self, cx: &OpContext, id: &SessionId, labels: Labels) -> Result<(), Fault> {
        let handle = self.engine.sessions.find(&cx.identity.tenant, id)?;
        if labels.is_empty() {
            return Err(Fault::invalid("the set of labels is empty; give at least one key and value (the given set replaces the old one)"));
        }
        handle.set_labels(labels).await?;
        tracing::info!(request = %cx.request, session = %id, sandbox = %handle.sandbox, "labels set");
        Ok(())
    }

    /// Ends a session. With `wait`, returns when nothing of it is left; without, as soon as it is accepted.
    pub async fn delete_session(&self, cx: &OpContext, id: &SessionId, wait: bool) -> Result<(), Fault> {
        let handle = self.engine.sessions.find(&cx.identity.tenant, id)?;
        handle.delete().await?;
        tracing::info!(request = %cx.request, session = %id, sandbox = %handle.sandbox, "session deleted");
        if wait { handle.finished().await } else { Ok(()) }
    }

    /// Keep-alive: counts as activity.
    pub async fn touch_session(&self, cx: &OpContext, id: &SessionId) -> Result<(), Fault> {
        self.engine.sessions.find(&cx.identity.tenant, id)?.touch().await
    }

    /// Calls a tool in a session and waits for its end. Counts as activity at its start and its end; a running call
    /// keeps the session from idling out. Dropping the future does not end the call in the guest.
    pub async fn call_tool(&self, cx: &OpContext, id: &SessionId, call: ToolCall) -> Result<ToolOutcome, Fault> {
        call::call(&self.engine, cx, id, call).await
    }

    /// A stream into a session: a port, a command, a terminal, code, a file, a watch. Bytes count as activity; so does a
    /// running command, code or file transfer. What travels on it is told in [`protocol::StreamOpen`].
    pub async fn open_stream(&self, cx: &OpContext, id: &SessionId, open: StreamOpen) -> Result<ByteStream, Fault> {
        stream::open(&self.engine, cx, id, open).await
    }

    /// As [`Self::open_stream`], for the kinds that carry packets.
    pub async fn open_packets(&self, cx: &OpContext, id: &SessionId, open: StreamOpen) -> Result<PacketStream, Fault> {
        Ok(PacketStream::new(self.open_stream(cx, id, open).await?, PacketCodec))
    }

    /// A fresh identity for a command or code on a stream.
    pub fn new_call(&self, user: SandboxUser) -> CallMeta {
        CallMeta { id: CallId::generate(&*self.engine.entropy), user }
    }

    /// The image of this name or alias, as it was at most [`Timings::image_recheck`] ago. An unknown one is refused with the
    /// list of known ones.
    pub async fn image(&self, name: &str) -> Result<Arc<ImageManifest>, Fault> {
        self.engine.images.recent(name).await
    }

    /// The contexts of the caller's tenant.
    pub fn contexts<'a>(&'a self, cx: &'a OpContext) -> Contexts<'a> {
        Contexts::new(&self.engine, &self.cursors, cx)
    }

    /// The further names of an image.
    pub fn image_aliases(&self, id: &ImageId) -> Vec<ImageId> {
        self.engine.images.aliases(id)
    }

    /// The images on this host.
    pub async fn images(&self) -> Result<Vec<ImageManifest>, Fault> {
        self.engine.images.refresh().await
    }

    /// Stops taking work and lets running requests end; sessions stay (Ctrl-C, SIGTERM).
    ///
    /// Calls that take longer than [`Timings::drain`] are left: they go on in their guests.
    pub async fn drain(&self) {
        let engine = &self.engine;
        engine.enter(Mode::Draining);
        engine.sessions.close();
        engine.requests.close();
        let limit = engine.config.timings.drain;
        if tokio::time::timeout(limit, engine.requests.wait()).await.is_err() {
            tracing::info!(calls = engine.requests.len(), "calls still run; they go on in their sessions");
        }
        housekeeping::flush(engine, Duration::ZERO).await;
        engine.enter(Mode::Stopping);
        if tokio::time::timeout(limit, engine.sessions.all_left()).await.is_err() {
            tracing::warn!("sessions are still being made or cleared away; the next start goes on with them");
        }
    }

    /// Ends every session of this node and the runtime's helpers (`roadstead down`). Admin only.
    ///
    /// Goes through even when the future is dropped. Returns how many sessions were live.
    pub async fn shut_down(&self, cx: &OpContext) -> Result<u64, Fault> {
        keyring::check_admin(cx, "shut the server down")?;
        let engine = self.engine.clone();
        let ending = tokio::spawn(async move { end_everything(&engine).await });
        ending.await.map_err(|e| Fault::internal("shutting down", e))?
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.engine.enter(Mode::Stopping);
    }
}

async fn end_everything(engine: &Engine) -> Result<u64, Fault> {
    let live = engine.sessions.close();
    tracing::info!(sessions = live, "ending every session");
    engine.enter(Mode::Ending);
    if tokio::time::timeout(engine.config.timings.shut_down, engine.sessions.all_left()).await.is_err() {
        tracing::warn!("some sessions could not be ended in time; the back end ends what is left of them");
    }
    engine.enter(Mode::Stopping);
    engine.runtime.shutdown().await.map_err(|e| fault::runtime("shutting down", e))?;
    Ok(live as u64)
}
