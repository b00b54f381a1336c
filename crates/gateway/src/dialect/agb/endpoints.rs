//! Every endpoint that some release of the SDK calls, and what this server makes of it. COMPATIBILITY.md shows this table.

use crate::dialect::vendor::{BROWSER, CONTEXTS, Missing, Refusal, shown};
use http::{Method, StatusCode};

/// The endpoint whose failures clients read in `data.success`.
pub(super) const CREATE: &str = "mcp/createSession";
/// The one that carries file content, and whose failures the older clients read as a tool's.
pub(super) const TOOL_CALL: &str = "mcp";

/// One endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) method: Method,
    /// Its path, without the slash that it begins with.
    pub(super) name: &'static str,
    /// The first release of the SDK that has it.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the table in COMPATIBILITY.md, which a test compares"))]
    since: &'static str,
    pub(super) state: State,
}

/// Whether an endpoint is there.
#[derive(Debug, Clone, Copy)]
pub(super) enum State {
    /// It is; what of it, in words for COMPATIBILITY.md.
    Offered(#[cfg_attr(not(test), expect(dead_code, reason = "for the table in COMPATIBILITY.md, which a test compares"))] &'static str),
    /// It will be: with this.
    Later(Missing),
}

/// The endpoints, as the SDK groups them.
pub(super) const ENDPOINTS: &[Endpoint] = &[
    offered(Method::POST, CREATE, "0.1.0", "image, labels, idle limit (`timeout`, seconds)"),
    offered(Method::POST, "mcp/getSession", "0.4.1", "yes"),
    offered(Method::POST, "mcp/getSessionInfo", "0.8.0", "yes; not an activity"),
    offered(Method::POST, "mcp/releaseSession", "0.1.0", "yes; answered when nothing of the session is left"),
    offered(Method::POST, "mcp/releaseSessionAsync", "0.7.0", "yes"),
    offered(Method::POST, "mcp/refreshSessionIdleTime", "0.11.0", "yes"),
    offered(Method::POST, "mcp/getMcpResource", "0.1.0", "the resource URL opens a page with the session's facts, not yet a live view"),
    offered(Method::GET, "sdk/ListSession", "0.4.1", "labels, pages of 1–100, cursors"),
    offered(Method::POST, "sdk/SetLabel", "0.4.1", "replaces the whole set; an empty set is refused"),
    offered(Method::GET, "sdk/GetLabel", "0.4.1", "yes"),
    offered(Method::POST, TOOL_CALL, "0.1.0", "the tools below; while a call lasts its client reads blanks"),
    offered(Method::POST, "mcp/listTools", "0.1.0", "the tools that the image has"),
    offered(Method::GET, "internet/getLink", "0.1.0", "`https` and `wss`, ports 30100–30199; without a port the error names the range"),
    offered(Method::GET, "mcp/getLink", "0.1.0", "the same"),
    later(Method::POST, "internet/getCdpLink", "0.11.0", BROWSER),
    later(Method::POST, "browser/init", "0.1.0", BROWSER),
    offered(Method::GET, "sdk/GetContextInfo", "0.3.0", "an empty list, which is the truth: nothing is synchronised yet"),
    offered(Method::GET, "sdk/ListContexts", "0.3.0", "newest first, pages of 1–1000, cursors (which the SDK does not read)"),
    offered(Method::GET, "sdk/GetContext", "0.3.0", "by id or name; made when it is asked for"),
    offered(Method::POST, "sdk/ModifyContext", "0.3.0", "another name; one that is taken is refused"),
    offered(Method::POST, "sdk/DeleteContext", "0.3.0", "gone at once; what it held is removed in the background"),
    offered(Method::POST, "sdk/ClearContext", "0.5.0", "`clearing` until everything is removed, then `available`; also after a restart"),
    later(Method::POST, "sdk/SyncContext", "0.3.0", CONTEXTS),
    offered(Method::POST, "sdk/GetContextFileUploadUrl", "0.3.0", "for `PUT`, one file, one hour"),
    offered(
        Method::POST,
        "sdk/GetContextFileDownloadUrl",
        "0.3.0",
        "for `GET` and `HEAD` with ranges, one hour; a file that is not there is an error",
    ),
    offered(Method::POST, "sdk/DeleteContextFile", "0.3.0", "yes"),
    offered(Method::POST, "sdk/DescribeContextFiles", "0.3.0", "files and folders directly in a folder, by page number"),
    later(Method::POST, "sdk/GetAndLoadInternalContext", "0.7.0", CONTEXTS),
];

/// The endpoint that a request goes to. Clients that wait for a session's end stop at "not found", and would ask for
/// minutes otherwise.
pub(super) fn find(method: &Method, name: &str) -> Result<&'static Endpoint, Refusal> {
    match ENDPOINTS.iter().find(|endpoint| endpoint.name == name) {
        Some(endpoint) if endpoint.method == method => Ok(endpoint),
        Some(endpoint) => {
            let message = format!("/{name} takes {}, not {:?}", endpoint.method, shown(method.as_str()));
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "InvalidMethod", message))
        }
        None => {
            let message = format!("path {:?} was not found on this server; COMPATIBILITY.md lists what is", shown(&format!("/{name}")));
            Err(Refusal::new(StatusCode::NOT_FOUND, "InvalidPath.NotFound", message))
        }
    }
}

const fn offered(method: Method, name: &'static str, since: &'static str, what: &'static str) -> Endpoint {
    Endpoint { method, name, since, state: State::Offered(what) }
}

const fn later(method: Method, name: &'static str, since: &'static str, missing: Missing) -> Endpoint {
    Endpoint { method, name, since, state: State::Later(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_shows_this_table() {
        let rows = ENDPOINTS.iter().map(|Endpoint { method, name, since, state }| {
            let state = match state {
                State::Offered(what) => (*what).to_owned(),
                State::Later(what) => format!("later: needs {what}"),
            };
            format!("| `{method} /{name}` | {since} | {state} |")
        });
        let table = rows.collect::<Vec<_>>().join("\n");
        crate::testing::check_document(&format!("| endpoint | since | state |\n|---|---|---|\n{table}\n"));
    }

    #[test]
    fn every_name_stands_once() {
        let mut names: Vec<_> = ENDPOINTS.iter().map(|endpoint| endpoint.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), ENDPOINTS.len()), (28, 28));
    }
}
