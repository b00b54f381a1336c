//! API keys.

use super::{Reply, id};
use crate::dialect::native::Caller;
use crate::dialect::native::wire::{KeyList, MadeKey, NewKey};
use axum::Json;
use axum::extract::{Path, Request};
use control::NewKeyRequest;
use http::StatusCode;
use types::KeyId;

/// All keys (admin keys), or those of the caller's tenant. Never their texts.
#[utoipa::path(get, path = "/v1/keys", responses((status = 200, body = KeyList)))]
pub(in super::super) async fn list(caller: Caller) -> Reply<Json<KeyList>> {
    let keys = caller.ask_soon(caller.app.control.list_keys(&caller.cx)).await?;
    Ok(Json(KeyList { keys: keys.into_iter().map(Into::into).collect() }))
}

/// Makes a key (admin keys only). Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/keys", request_body = NewKey, responses((status = 201, body = MadeKey)))]
pub(in super::super) async fn create(caller: Caller, request: Request) -> Reply<(StatusCode, Json<MadeKey>)> {
    let NewKey { name, tenant, admin } = caller.json(request).await?;
    let made = caller.ask_soon(caller.app.control.create_key(&caller.cx, NewKeyRequest { tenant, name, admin })).await?;
    Ok((StatusCode::CREATED, Json(MadeKey { key: made.info.into(), text: made.text })))
}

/// Revokes a key (admin keys only). From then on it opens nothing.
#[utoipa::path(delete, path = "/v1/keys/{id}", params(("id" = String, Path)), responses((status = 204)))]
pub(in super::super) async fn revoke(caller: Caller, Path(text): Path<String>) -> Reply<StatusCode> {
    let id: KeyId = id("key", &text)?;
    caller.ask_soon(caller.app.control.revoke_key(&caller.cx, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
