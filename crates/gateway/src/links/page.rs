//! Pages of our own on the links origin. They hold text only: no script, nothing from elsewhere.

use super::Problem;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::SessionView;
use http::{HeaderValue, Response, StatusCode, header};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::Duration;
use types::RequestId;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#1d2733;background:#fff}\
h1{font-size:1.4rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.5rem}dt{color:#5a6b7d}\
dd{margin:0;overflow-wrap:anywhere}p.note{color:#5a6b7d}";

/// A session's facts.
pub(super) fn facts(view: &SessionView) -> Response<Body> {
    let mut rows = String::new();
    let mut row = |name: &str, text: &str| {
        let _ = write!(rows, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(text));
    };
    row("Session", view.id.as_str());
    row("Image", view.image.as_str());
    row("State", view.state.as_str());
    row("Created", &view.created_at.to_string());
    row("Last active", &view.active_at.to_string());
    row("Released when idle for", &view.idle_timeout.map_or("never".to_owned(), span));
    row("Released at the latest", &view.expires_at.map_or("never".to_owned(), |at| at.to_string()));
    let limits = &view.limits;
    row("Memory", &format!("{} MiB", limits.memory_bytes >> 20));
    row("CPU", &format!("{}.{:03} cores", limits.cpu_millis / 1000, limits.cpu_millis % 1000));
    row("Processes", &limits.pids.to_string());
    for (key, value) in view.labels.iter() {
        row(&format!("Label {key}"), value);
    }
    let body = format!(
        "<h1>Session {}</h1><dl>{rows}</dl><p class=\"note\">There is no live view of a session yet; this page shows its facts.</p>",
        escaped(view.id.as_str())
    );
    page(StatusCode::OK, "Roadstead session", &body)
}

/// Why a visitor does not see what they came for.
pub(super) fn problem(status: StatusCode, text: &str, request: &RequestId) -> Response<Body> {
    let title = status.canonical_reason().unwrap_or("Problem");
    let body = format!("<h1>{}</h1><p>{}</p><p class=\"note\">Request {}</p>", escaped(title), escaped(text), escaped(request.as_str()));
    page(status, title, &body)
}

/// The same link with its slash.
pub(super) fn redirect(to: &str) -> Result<Response<Body>, Problem> {
    let location =
        HeaderValue::from_str(to).map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad_path", "This address cannot be passed on."))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn page(status: StatusCode, title: &str, body: &str) -> Response<Body> {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{}</title><style>{STYLE}</style></head><body>{body}</body></html>",
        escaped(title)
    );
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).expect("plain ASCII"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 && seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn the_page_shows_facts_as_text_under_a_strict_policy() {
        let view = testing::view();
        let response = facts(&view);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let html = response.into_body().collect().await.unwrap().to_bytes();
        let html = String::from_utf8(html.to_vec()).unwrap();
        assert!(html.contains(view.id.as_str()) && html.contains("linux_latest") && html.contains("no live view"));
        assert!(html.contains("&lt;b&gt;&amp;&quot;prod&quot;") && !html.contains("<b>"), "labels are text");
    }
}
