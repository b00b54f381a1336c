//! What of a request's and an answer's head passes a link, and how the last link is remembered.

use super::Problem;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};

/// Names the link that a browser opened last.
const COOKIE: &str = "roadstead_link";

/// Headers about one connection only.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers of a request that this proxy answers for, or says itself.
const OURS: [HeaderName; 7] = [
    header::HOST,
    header::EXPECT,
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-prefix"),
];

/// Headers of an answer that would act on all links, or on the whole host.
const WHOLE_ORIGIN: [&str; 4] = ["service-worker-allowed", "clear-site-data", "strict-transport-security", "alt-svc"];

/// The protocol a request wants to switch to, such as `websocket`.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = connection_words(headers).iter().any(|word| word == "upgrade");
    headers.get(header::UPGRADE).filter(|_| wanted).cloned()
}

/// Where a request is going.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hop<'a> {
    /// Origin under which links are served, `https://host:port`.
    pub(super) outside: &'a str,
    /// The same as `host:port`.
    pub(super) authority: &'a str,
    /// `/l/<token>`.
    pub(super) base: &'a str,
    /// Port inside the session.
    pub(super) port: u16,
}

impl Hop<'_> {
    /// The origin as the program inside knows itself.
    fn inside(self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The address that the program inside sees.
    pub(super) fn uri(self, path: &str, query: Option<&str>) -> Result<Uri, Problem> {
        let text = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let path: PathAndQuery =
            text.parse().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad_path", "This address cannot be passed on."))?;
        Ok(Uri::from(path))
    }

    /// A request's headers as the program inside is to see them.
    pub(super) fn request(self, from: &HeaderMap) -> HeaderMap {
        let mut to = end_to_end(from);
        for name in &OURS {
            to.remove(name);
        }
        if let Some(protocol) = upgrade(from) {
            to.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            to.insert(header::UPGRADE, protocol);
        }
        to.insert(header::HOST, value(&format!("localhost:{}", self.port)));
        to.insert("x-forwarded-host", value(self.authority));
        to.insert("x-forwarded-proto", value(self.outside.split(':').next().unwrap_or_default()));
        // The token is this browser's business, and pages inside compare Origin and Referer with their own Host.
        self.localise(&mut to, header::ORIGIN);
        self.localise(&mut to, header::REFERER);
        let cookies: Vec<_> = cookies(from).filter(|cookie| !is_ours(cookie)).collect();
        to.remove(header::COOKIE);
        if !cookies.is_empty() {
            to.insert(header::COOKIE, value(&cookies.join("; ")));
        }
        to
    }

    /// An answer's headers as the browser is to see them.
    pub(super) fn response(self, from: &HeaderMap) -> HeaderMap {
        let mut to = end_to_end(from);
        for name in WHOLE_ORIGIN {
            to.remove(name);
        }
        let cookies: Vec<_> = to.get_all(header::SET_COOKIE).iter().filter(|cookie| !cookie.to_str().is_ok_and(is_ours)).cloned().collect();
        to.remove(header::SET_COOKIE);
        for cookie in cookies {
            to.append(header::SET_COOKIE, cookie);
        }
        if let Some(location) = to.get(header::LOCATION).and_then(|text| text.to_str().ok()) {
            let is_link = |path: &&str| path.starts_with("/l/") || path.starts_with("/r/");
            let from_outside = location.strip_prefix(self.outside).filter(|path| !is_link(path));
            let path = location.strip_prefix(self.inside().as_str()).or(from_outside).unwrap_or(location);
            let is_path = path.is_empty() || path.starts_with('/') && !path.starts_with("//");
            if is_path && !path.starts_with(self.base) {
                let path = if path.is_empty() { "/" } else { path };
                to.insert(header::LOCATION, value(&format!("{}{path}", self.base)));
            }
        }
        // A link's address is a secret: pages must not hand it to other sites.
        to.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
        to
    }

    fn localise(self, headers: &mut HeaderMap, name: HeaderName) {
        let Some(text) = headers.get(&name).and_then(|text| text.to_str().ok()) else { return };
        let Some(path) = text.strip_prefix(self.outside).filter(|path| path.is_empty() || path.starts_with('/')) else { return };
        let path = match path.strip_prefix("/l/") {
            Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => path,
        };
        let local = value(&format!("{}{path}", self.inside()));
        headers.insert(name, local);
    }
}

/// The `Set-Cookie` that remembers a link.
pub(super) fn remember(token: &str) -> String {
    format!("{COOKIE}={token}; Path=/; HttpOnly; Secure; SameSite=Lax")
}

/// The link that a browser opened last.
pub(super) fn remembered(headers: &HeaderMap) -> Option<String> {
    cookies(headers).find_map(|cookie| Some(cookie.strip_prefix(COOKIE)?.strip_prefix('=')?.to_owned()))
}

fn end_to_end(from: &HeaderMap) -> HeaderMap {
    let mut to = from.clone();
    for word in connection_words(from) {
        to.remove(word);
    }
    if from.contains_key(header::TRANSFER_ENCODING) {
        // Chunks decided where the body ended, whatever length was announced beside them.
        to.remove(header::CONTENT_LENGTH);
    }
    for name in &HOP_BY_HOP {
        to.remove(name);
    }
    to
}

fn connection_words(headers: &HeaderMap) -> Vec<String> {
    let texts = headers.get_all(header::CONNECTION).iter().filter_map(|text| text.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(|word| word.trim().to_ascii_lowercase()).filter(|word| !word.is_empty()).collect()
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|text| text.to_str().ok());
    texts.flat_map(|text| text.split(';')).map(str::trim).filter(|cookie| !cookie.is_empty())
}

fn is_ours(cookie: &str) -> bool {
    cookie.trim_start().strip_prefix(COOKIE).is_some_and(|rest| rest.trim_start().starts_with('='))
}

fn value(text: &str) -> HeaderValue {
    // What is built here comes from parsed URLs, ports and header values.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP: Hop<'_> = Hop { outside: "https://localhost:8444", authority: "localhost:8444", base: "/l/t.s", port: 30100 };

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, text)| (HeaderName::from_static(name), HeaderValue::from_str(text).unwrap())).collect()
    }

    fn said(headers: &HeaderMap, name: &str) -> String {
        headers.get(name).map(|text| text.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn requests_reach_the_program_as_if_they_were_local() {
        let to = HOP.request(&map(&[
            ("host", "http://localhost:8444"),
            ("connection", "keep-alive, x-secret"),
            ("x-secret", "1"),
            ("keep-alive", "5"),
            ("x-forwarded-for", "6.6.6.6"),
            ("origin", "https://localhost:8444"),
            ("referer", "https://localhost:8444/l/t.s/page?x"),
            ("cookie", "a=1; roadstead_link=t.s; roadstead_link_b=2"),
            ("authorization", "Bearer theirs"),
        ]));
        for (name, wanted) in [
            ("host", "localhost:30100"),
            ("connection", ""),
            ("x-secret", ""),
            ("keep-alive", ""),
            ("x-forwarded-for", ""),
            ("x-forwarded-host", "localhost:8444"),
            ("x-forwarded-proto", "https"),
            ("origin", "http://localhost:30100"),
            ("referer", "http://localhost:30100/page?x"),
            ("cookie", "a=1; roadstead_link_b=2"),
            ("authorization", "Bearer theirs"),
        ] {
            assert_eq!(said(&to, name), wanted, "{name}");
        }
        assert_eq!(
            said(&HOP.request(&map(&[("origin", "https://localhost:84441")])), "origin",),
            "https://localhost:84441",
            "another origin stays"
        );
    }

    #[test]
    fn upgrades_pass_only_when_they_are_meant() {
        let to = HOP.request(&map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]));
        assert_eq!((said(&to, "connection").as_str(), said(&to, "upgrade").as_str()), ("upgrade", "websocket"));
        assert_eq!(said(&HOP.request(&map(&[("upgrade", "websocket")])), "upgrade"), "");
    }

    #[test]
    fn answers_stay_within_the_link() {
        let location = |from: &str| said(&HOP.response(&map(&[("location", from)])), "location");
        assert_eq!(location("/login"), "/l/t.s/login");
        assert_eq!(location("http://localhost:30100/login?a"), "/l/t.s/login?a");
        assert_eq!(location("http://localhost:30100"), "/l/t.s/");
        assert_eq!(location("http://localhost:301000/x"), "http://localhost:301000/x");
        assert_eq!(location("https://localhost:8444/login"), "/l/t.s/login", "made from what we said about the outside");
        for link in ["https://localhost:8444/l/t.s/login", "https://localhost:8444/l/other.s/"] {
            assert_eq!(location(link), link, "a link already");
        }
        assert_eq!(location("https://localhost:84440/login"), "https://localhost:84440/login");
        assert_eq!(location("https://example.org/"), "https://example.org/");
        assert_eq!(location("//example.org/"), "//example.org/");
        assert_eq!(location("page"), "page");

        let to =
            HOP.response(&map(&[("set-cookie", "roadstead_link=x"), ("service-worker-allowed", "/"), ("transfer-encoding", "chunked")]));
        assert_eq!((said(&to, "set-cookie"), said(&to, "service-worker-allowed"), said(&to, "transfer-encoding")), Default::default());
        assert_eq!(said(&to, "referrer-policy"), "same-origin");

        let host_wide = [("clear-site-data", "*"), ("strict-transport-security", "max-age=1"), ("alt-svc", "h3"), ("x-own", "1")];
        let to = HOP.response(&map(&host_wide));
        for (name, _) in host_wide {
            assert_eq!(said(&to, name).is_empty(), name != "x-own", "{name}");
        }
    }

    #[test]
    fn chunks_beat_an_announced_length_both_ways() {
        let both = map(&[("transfer-encoding", "chunked"), ("content-length", "3")]);
        for to in [HOP.request(&both), HOP.response(&both)] {
            assert_eq!((said(&to, "transfer-encoding"), said(&to, "content-length")), Default::default());
        }
        assert_eq!(said(&HOP.request(&map(&[("content-length", "3")])), "content-length"), "3");
    }

    #[test]
    fn the_last_link_is_remembered() {
        let headers = map(&[("cookie", "x=1; roadstead_link=abc.def")]);
        assert_eq!(remembered(&headers).as_deref(), Some("abc.def"));
        assert_eq!(remembered(&map(&[("cookie", "roadstead_link_b=1")])), None);
        for flag in ["HttpOnly", "Secure", "SameSite=Lax"] {
            assert!(remember("t").contains(flag));
        }
    }
}
