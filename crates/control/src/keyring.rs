//! API keys and their tenants: made, checked, revoked.

use crate::{Identity, KeyInfo, NewKey, NewKeyRequest, OpContext, fault, time};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{KeyRow, MetadataStore, StoreError, TenantRow};
use types::{Clock, Entropy, ErrorCode, Fault, KeyId, TenantId, Timestamp};

const PREFIX: &str = "akm-";
/// Bytes of randomness in a key.
const SECRET: usize = 20;
/// Their length in base32.
const SECRET_TEXT: usize = 32;
/// Keys remembered as good.
const REMEMBERED: usize = 4096;
const LONGEST_NAME: usize = 64;
/// Name of the tenant that the first key belongs to.
const FIRST_TENANT: &str = "default";

/// The keys of a store.
#[derive(Debug)]
pub(crate) struct Keyring {
    store: Arc<dyn MetadataStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    recheck: Duration,
    good: Mutex<Good>,
    /// Held over what reads keys and then changes them.
    changing: tokio::sync::Mutex<()>,
}

/// Keys that were found good. Unknown ones are not remembered: whoever guesses keys must not push good ones out.
#[derive(Debug, Default)]
struct Good {
    by_hash: HashMap<[u8; 32], (Identity, Timestamp)>,
    by_id: HashMap<KeyId, Timestamp>,
    /// Counts revocations, so that a look-up which one overtook is not remembered.
    generation: u64,
}

impl Keyring {
    pub(crate) fn new(store: Arc<dyn MetadataStore>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, recheck: Duration) -> Self {
        Self { store, clock, entropy, recheck, good: Mutex::default(), changing: tokio::sync::Mutex::default() }
    }

    pub(crate) async fn authenticate(&self, text: &str) -> Result<Identity, Fault> {
        if !text.starts_with(PREFIX) || text.len() != PREFIX.len() + SECRET_TEXT {
            return Err(unauthenticated("the API key is not one of this server's"));
        }
        let hash = hash(text);
        let now = self.clock.now();
        let generation = {
            let good = self.good();
            match good.by_hash.get(&hash) {
                Some((identity, since)) if time::between(*since, now) < self.recheck => return Ok(identity.clone()),
                _ => good.generation,
            }
        };
        let row = self.store.key_by_hash(&hash).await.map_err(|e| fault::store("checking the API key", e))?;
        let row = row.ok_or_else(|| unauthenticated("the API key is not known"))?;
        if row.revoked_at.is_some() {
            self.good().by_hash.remove(&hash);
            return Err(unauthenticated("the API key was revoked"));
        }
        let identity = Identity { tenant: row.tenant, key: row.id, admin: row.admin };
        let mut good = self.good();
        if good.generation == generation {
            if good.by_hash.len() >= REMEMBERED {
                good.by_hash.clear();
            }
            good.by_hash.insert(hash, (identity.clone(), now));
        }
        Ok(identity)
    }

    /// Refuses what was handed out in the name of a key that has been revoked since.
    pub(crate) async fn check_not_revoked(&self, tenant: &TenantId, id: &KeyId) -> Result<(), Fault> {
        let now = self.clock.now();
        let generation = {
            let good = self.good();
            match good.by_id.get(id) {
                Some(since) if time::between(*since, now) < self.recheck => return Ok(()),
                _ => good.generation,
            }
        };
        let rows = self.store.keys(Some(tenant)).await.map_err(|e| fault::store("checking the API key", e))?;
        if !rows.iter().any(|row| row.id == *id && row.revoked_at.is_none()) {
            self.good().by_id.remove(id);
            return Err(unauthenticated("the API key was revoked"));
        }
        let mut good = self.good();
        if good.generation == generation {
            if good.by_id.len() >= REMEMBERED {
                good.by_id.clear();
            }
            good.by_id.insert(id.clone(), now);
        }
        Ok(())
    }

    pub(crate) async fn first(&self) -> Result<Option<NewKey>, Fault> {
        const OPERATION: &str = "making the first API key";
        let _changing = self.changing.lock().await;
        if !self.store.keys(None).await.map_err(|e| fault::store(OPERATION, e))?.is_empty() {
            return Ok(None);
        }
        let tenant = self.tenant(FIRST_TENANT).await?;
        self.add(tenant, "first key".into(), true).await.map(Some)
    }

    pub(crate) async fn create(&self, cx: &OpContext, request: NewKeyRequest) -> Result<NewKey, Fault> {
        check_admin(cx, "make API keys")?;
        let name = request.name.trim();
        if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(Fault::invalid(format!("a key's name must have 1 to {LONGEST_NAME} bytes and no control characters")));
        }
        let _changing = self.changing.lock().await;
        let tenant = match &request.tenant {
            Some(tenant) => self.tenant(tenant).await?,
            None => {
                let tenants = self.tenants("making an API key").await?;
                let own = tenants.into_iter().find(|row| row.id == cx.identity.tenant);
                own.ok_or_else(|| Fault::not_found("your tenant does not exist any more"))?
            }
        };
        let made = self.add(tenant, name.to_owned(), request.admin).await?;
        tracing::info!(request = %cx.request, key = %made.info.id, tenant = %made.info.tenant, admin = made.info.admin, "API key made");
        Ok(made)
    }

    pub(crate) async fn list(&self, cx: &OpContext) -> Result<Vec<KeyInfo>, Fault> {
        const OPERATION: &str = "listing API keys";
        let only = (!cx.identity.admin).then_some(&cx.identity.tenant);
        let names: HashMap<TenantId, String> = self.tenants(OPERATION).await?.into_iter().map(|row| (row.id, row.name)).collect();
        let rows = self.store.keys(only).await.map_err(|e| fault::store(OPERATION, e))?;
        Ok(rows.into_iter().map(|row| info(names.get(&row.tenant).cloned().unwrap_or_default(), row)).collect())
    }

    /// Goes through even when the future is dropped, lest a key be revoked in the database and remembered as good.
    pub(crate) async fn revoke(self: &Arc<Self>, cx: &OpContext, id: &KeyId) -> Result<(), Fault> {
        check_admin(cx, "revoke API keys")?;
        let (keys, cx, id) = (self.clone(), cx.clone(), id.clone());
        let revoking = tokio::spawn(async move { keys.revoke_now(&cx, &id).await });
        revoking.await.map_err(|e| Fault::internal("revoking an API key", e))?
    }

    async fn revoke_now(&self, cx: &OpContext, id: &KeyId) -> Result<(), Fault> {
        const OPERATION: &str = "revoking an API key";
        let _changing = self.changing.lock().await;
        let rows = self.store.keys(None).await.map_err(|e| fault::store(OPERATION, e))?;
        let mut admins = rows.iter().filter(|row| row.admin && row.revoked_at.is_none()).map(|row| &row.id);
        if admins.next() == Some(id) && admins.next().is_none() {
            let text = format!("{id} is the last key that can manage keys; make another admin key first");
            return Err(Fault::new(ErrorCode::FailedPrecondition, text));
        }
        self.store.revoke_key(id, self.clock.now()).await.map_err(|e| fault::store(OPERATION, e))?;
        let mut good = self.good();
        good.generation += 1;
        good.by_hash.retain(|_, (identity, _)| identity.key != *id);
        good.by_id.remove(id);
        drop(good);
        tracing::info!(request = %cx.request, key = %id, "API key revoked");
        Ok(())
    }

    async fn add(&self, tenant: TenantRow, name: String, admin: bool) -> Result<NewKey, Fault> {
        let mut secret = [0; SECRET];
        self.entropy.fill(&mut secret);
        let text = format!("{PREFIX}{}", data_encoding::BASE32_DNSSEC.encode(&secret));
        let row = KeyRow {
            id: KeyId::generate(&*self.entropy),
            tenant: tenant.id,
            name,
            hash: hash(&text),
            admin,
            created_at: self.clock.now(),
            revoked_at: None,
        };
        self.store.add_key(&row).await.map_err(|e| fault::store("making an API key", e))?;
        Ok(NewKey { info: info(tenant.name, row), text })
    }

    /// The tenant of this name, made when there is none.
    async fn tenant(&self, name: &str) -> Result<TenantRow, Fault> {
        const OPERATION: &str = "making a tenant";
        check_tenant_name(name)?;
        let tenant = TenantRow { id: TenantId::generate(&*self.entropy), name: name.to_owned(), created_at: self.clock.now() };
        let found = |name| async move { self.store.tenant_by_name(name).await.map_err(|e| fault::store(OPERATION, e)) };
        if let Some(tenant) = found(name).await? {
            return Ok(tenant);
        }
        match self.store.add_tenant(&tenant).await {
            Ok(()) => Ok(tenant),
            // Another server on this database was faster.
            Err(error @ StoreError::Exists { .. }) => found(name).await?.ok_or_else(|| fault::store(OPERATION, error)),
            Err(error) => Err(fault::store(OPERATION, error)),
        }
    }

    async fn tenants(&self, operation: &str) -> Result<Vec<TenantRow>, Fault> {
        self.store.tenants().await.map_err(|e| fault::store(operation, e))
    }

    fn good(&self) -> MutexGuard<'_, Good> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a caller whose key does not manage the server.
pub(crate) fn check_admin(cx: &OpContext, what: &str) -> Result<(), Fault> {
    if cx.identity.admin {
        return Ok(());
    }
    let text = format!("this API key may not {what}; use an admin key (the server's first key is one)");
    Err(Fault::new(ErrorCode::PermissionDenied, text))
}

fn check_tenant_name(name: &str) -> Result<(), Fault> {
    let well_formed = (1..=LONGEST_NAME).contains(&name.len())
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if well_formed {
        return Ok(());
    }
    let text = format!("a tenant's name must have 1 to {LONGEST_NAME} letters, digits, '.', '_' or '-' and start with a letter or digit");
    Err(Fault::invalid(text))
}

fn unauthenticated(why: &str) -> Fault {
    let text = format!("{why}; set the key that `roadstead env` prints, or have an admin make one with `roadstead key create`");
    Fault::new(ErrorCode::Unauthenticated, text)
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn info(tenant_name: String, row: KeyRow) -> KeyInfo {
    KeyInfo {
        id: row.id,
        tenant: row.tenant,
        tenant_name,
        name: row.name,
        admin: row.admin,
        created_at: row.created_at,
        revoked_at: row.revoked_at,
    }
}
