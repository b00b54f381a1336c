//! The server itself: its health, its images, its end.

use super::Reply;
use crate::dialect::native::Caller;
use crate::dialect::native::problem::Problem;
use crate::dialect::native::streams;
use crate::dialect::native::streams::wire::{CodeStream, ExecStream, PtyStream, WatchStream};
use crate::dialect::native::wire::{ErrorBody, Health, Image, ImageList, ShutDown};
use axum::Json;
use http::StatusCode;
use types::ImageManifest;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(title = "Roadstead", description = "The native API. Every path but health needs `Authorization: Bearer <key>`."),
    paths(
        health,
        images,
        shut_down,
        super::keys::list,
        super::keys::create,
        super::keys::revoke,
        super::sessions::list,
        super::sessions::create,
        super::sessions::get,
        super::sessions::delete,
        super::sessions::exec,
        super::files::read,
        super::files::write,
        super::tools::call,
        super::tools::ptys,
        super::tools::kill_pty,
        super::tools::metrics,
        streams::open,
        super::contexts::list,
        super::contexts::create,
        super::contexts::get,
        super::contexts::rename,
        super::contexts::delete,
        super::contexts::clear,
        super::contexts::files,
        super::contexts::read,
        super::contexts::write,
        super::contexts::delete_file,
        super::contexts::url,
    ),
    components(schemas(ErrorBody, ExecStream, PtyStream, CodeStream, WatchStream))
)]
struct Document;

/// Whether the server answers. Needs no key.
#[utoipa::path(get, path = "/v1/health", responses((status = 200, body = Health)))]
pub(in super::super) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// This API's description. Needs no key: it says nothing about this server.
pub(in super::super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

/// The images on this host.
#[utoipa::path(get, path = "/v1/images", responses((status = 200, body = ImageList)))]
pub(in super::super) async fn images(caller: Caller) -> Reply<Json<ImageList>> {
    let images = caller.ask_soon(caller.app.control.images()).await?;
    let shown = |manifest: ImageManifest| {
        let aliases = caller.app.control.image_aliases(&manifest.id);
        Image::new(manifest, &aliases)
    };
    Ok(Json(ImageList { images: images.into_iter().map(shown).collect() }))
}

/// Ends every session and then the server (admin keys only).
#[utoipa::path(post, path = "/v1/shutdown", responses((status = 200, body = ShutDown)))]
pub(in super::super) async fn shut_down(caller: Caller) -> Reply<Json<ShutDown>> {
    let sessions_ended = caller.ask_soon(caller.app.control.shut_down(&caller.cx)).await?;
    // The answer is still sent: the server first lets running requests end.
    caller.app.stop.cancel();
    Ok(Json(ShutDown { sessions_ended }))
}

pub(in super::super) async fn no_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_path", "there is no such path; /v1/openapi.json lists them")
}

pub(in super::super) async fn no_method() -> Problem {
    let text = "this path does not take that method; /v1/openapi.json lists them";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", text)
}
