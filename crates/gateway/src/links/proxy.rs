//! One exchange with a program inside a session, over a tunnel made for it. Bodies stream both ways and are never held.

use super::Problem;
use super::headers::{self, Hop};
use crate::app::App;
use crate::request::Trail;
use axum::body::Body;
use control::OpContext;
use http::{Request, Response, StatusCode};
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use protocol::StreamOpen;
use runtime::ByteStream;
use std::sync::Arc;
use std::time::Duration;
use types::{ErrorCode, SessionId};

/// Where an exchange goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route<'a> {
    /// `/l/<token>`.
    pub(super) base: &'a str,
    /// What the program inside is asked for.
    pub(super) path: &'a str,
    /// Where it listens.
    pub(super) port: u16,
    /// When the link ends, Unix seconds.
    pub(super) ends: i64,
}

/// A connection to a port inside a session.
pub(super) async fn connect(app: &App, trail: &Trail, cx: &OpContext, session: &SessionId, port: u16) -> Result<ByteStream, Problem> {
    let opened = tokio::time::timeout(app.timeouts.link_connect, app.control.open_stream(cx, session, StreamOpen::Tunnel { port })).await;
    let Ok(opened) = opened else {
        return Err(bad_gateway(format!(
            "Port {port} inside the session did not answer within {} s.",
            app.timeouts.link_connect.as_secs()
        )));
    };
    opened.map_err(|fault| {
        trail.fault(&fault);
        match fault.code() {
            ErrorCode::NotFound => Problem::gone(),
            ErrorCode::Unavailable => bad_gateway(fault.message().to_owned()),
            _ => Problem::from_fault(&fault),
        }
    })
}

/// Sends `request` to the program at the other end of `stream` and returns the head of its answer, its body following.
pub(super) async fn exchange(
    app: &Arc<App>,
    route: Route<'_>,
    stream: ByteStream,
    mut request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let hop = Hop { outside: app.links.http(), authority: app.links.authority(), base: route.base, port: route.port };
    let upgrade = headers::upgrade(request.headers()).map(|_| hyper::upgrade::on(&mut request));
    *request.uri_mut() = hop.uri(route.path, request.uri().query())?;
    *request.version_mut() = http::Version::HTTP_11;
    *request.headers_mut() = hop.request(request.headers());
    request.extensions_mut().clear();

    let broken = |error: hyper::Error| {
        tracing::debug!(%error, port = route.port, "the program inside the session broke off");
        bad_gateway(format!("The program on port {} inside the session did not answer in HTTP.", route.port))
    };
    let (mut sender, connection) = http1::handshake::<_, Body>(TokioIo::new(stream)).await.map_err(broken)?;
    app.work.spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a tunnel ended");
        }
    });
    let limit = app.timeouts.link_answer;
    let Ok(answered) = tokio::time::timeout(limit, sender.send_request(request)).await else {
        let text = format!("The program on port {} inside the session did not answer within {} s.", route.port, limit.as_secs());
        return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "link_timeout", text));
    };
    let mut response = answered.map_err(broken)?;
    // How the program speaks to us is not how we speak to the browser, which would have to connect anew for each request.
    *response.version_mut() = http::Version::HTTP_11;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let protocol = headers::upgrade(response.headers());
        let (Some(outside), Some(protocol)) = (upgrade, protocol) else {
            return Err(bad_gateway(format!("The program on port {} inside the session switched protocols unasked.", route.port)));
        };
        splice(app, route, outside, hyper::upgrade::on(&mut response));
        let mut headers = hop.response(response.headers());
        headers.insert(http::header::CONNECTION, http::HeaderValue::from_static("upgrade"));
        headers.insert(http::header::UPGRADE, protocol);
        *response.headers_mut() = headers;
    } else {
        *response.headers_mut() = hop.response(response.headers());
    }
    Ok(response.map(Body::new))
}

/// Carries bytes between both ends until one closes, the link ends or the server stops.
fn splice(app: &Arc<App>, route: Route<'_>, outside: OnUpgrade, inside: OnUpgrade) {
    let left = u64::try_from(route.ends.saturating_sub(app.clock.now().as_second())).unwrap_or(0);
    let (app, tracker) = (app.clone(), app.work.clone());
    tracker.spawn(async move {
        let carry = async {
            let (outside, inside) = tokio::try_join!(outside, inside)?;
            tokio::io::copy_bidirectional(&mut TokioIo::new(outside), &mut TokioIo::new(inside)).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        };
        tokio::select! {
            () = app.draining.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(left)) => {}
            ended = carry => if let Err(error) = ended {
                tracing::debug!(%error, "an upgraded link ended");
            }
        }
    });
}

fn bad_gateway(text: String) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "no_answer", text)
}

#[cfg(test)]
mod tests;
