//! Every action that some release of the SDKs sends, and what this server makes of it. COMPATIBILITY.md shows this table.

use crate::dialect::vendor::{BROWSER, CONTEXTS, Missing, Refusal, shown};
use http::StatusCode;

/// One action.
#[derive(Debug, Clone, Copy)]
pub(super) struct Action {
    pub(super) name: &'static str,
    /// The first release of the Python SDK that sends it.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the table in COMPATIBILITY.md, which a test compares"))]
    pub(super) since: &'static str,
    pub(super) state: State,
}

/// Whether an action is there.
#[derive(Debug, Clone, Copy)]
pub(super) enum State {
    /// It is; what of it, in words for COMPATIBILITY.md.
    Offered(#[cfg_attr(not(test), expect(dead_code, reason = "for the table in COMPATIBILITY.md, which a test compares"))] &'static str),
    /// It will be: with this.
    Later(Missing),
    /// Nobody works on it.
    Out(Missing),
}

const PAUSE: Missing = "pausing of sessions";
const MOBILE: Missing = "a session made from an image with Android (mobile_latest)";
const NETWORKS: Missing = "networks shared between sessions";
const SKILLS: Missing = "skills";

/// The actions, as the SDKs group them.
pub(super) const ACTIONS: &[Action] = &[
    offered("CreateMcpSession", "0.3.2", "image, labels, idle and life limits (seconds or minutes, as the SDK means them), manual release"),
    offered("GetSession", "0.9.0", "yes"),
    offered("GetSessionDetail", "0.14.0", "yes"),
    offered("ListSession", "0.3.2", "labels, status, image, pages of 1–100, cursors"),
    offered("ReleaseMcpSession", "0.3.2", "yes; answered when nothing of the session is left"),
    offered("DeleteSessionAsync", "0.13.0", "yes"),
    later("PauseSessionAsync", "0.12.0", PAUSE),
    later("ResumeSessionAsync", "0.12.0", PAUSE),
    offered("RefreshSessionIdleTime", "0.16.0", "yes"),
    offered("SetLabel", "0.3.2", "replaces the whole set; an empty set is refused"),
    offered("GetLabel", "0.3.2", "yes"),
    offered("GetMcpResource", "0.3.2", "the resource URL opens a page with the session's facts, not yet a live view"),
    offered("GetLink", "0.3.2", "`https` and `wss`, ports 30100–30199; without a port the error names the range"),
    later("GetCdpLink", "0.11.0", BROWSER),
    out("GetAdbLink", "0.11.0", MOBILE),
    later("InitBrowser", "0.3.3", BROWSER),
    offered("ListMcpTools", "0.3.3", "the tools that the image has"),
    offered(
        "CallMcpTool",
        "0.3.2",
        "the tools below; `AutoGenSession` makes the session that is not there and keeps it under the given id",
    ),
    offered("GetContext", "0.3.2", "by name or id; made when it is asked for"),
    offered("ListContexts", "0.3.2", "newest first, pages of 1–1000, cursors"),
    offered("ModifyContext", "0.3.2", "another name; one that is taken is refused"),
    offered("DeleteContext", "0.3.2", "gone at once; what it held is removed in the background"),
    offered("ClearContext", "0.10.0", "`clearing` until everything is removed, then `available`; also after a restart"),
    offered("DescribeContextFiles", "0.6.0", "files and folders directly in a folder, by page number or token"),
    offered("GetContextFileUploadUrl", "0.6.0", "for `PUT`, one file, one hour"),
    offered("GetContextFileDownloadUrl", "0.6.0", "for `GET` and `HEAD` with ranges, one hour; a file that is not there is an error"),
    offered("DeleteContextFile", "0.6.0", "yes"),
    later("SyncContext", "0.3.3", CONTEXTS),
    offered("GetContextInfo", "0.3.3", "an empty list, which is the truth: nothing is synchronised yet"),
    later("GetAndLoadInternalContext", "0.13.0", CONTEXTS),
    later("BindContexts", "0.17.0", CONTEXTS),
    later("DescribeSessionContexts", "0.17.0", CONTEXTS),
    out("CreateNetwork", "0.15.0", NETWORKS),
    out("DescribeNetwork", "0.15.0", NETWORKS),
    out("ListSkillMetaData", "0.15.1", SKILLS),
    out("GetSkillMetaData", "0.18.0", SKILLS),
    out("BindContextSkillAsync", "0.22.1", SKILLS),
    out("UnbindContextSkill", "0.22.1", SKILLS),
    out("UnbindContextSkillAsync", "0.22.3", SKILLS),
];

/// The table's entry for `name`.
pub(super) fn find(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

/// Why `name` is not carried out. Only a name that no SDK sends is "not found": that is what SDKs take for a server
/// which is older than they are.
pub(super) fn refusal(name: &str) -> Refusal {
    match find(name).map(|action| action.state) {
        Some(State::Later(what) | State::Out(what)) => Refusal::not_offered(name, what),
        Some(State::Offered(_)) | None => {
            let message = format!("action {:?} is not offered by this server; COMPATIBILITY.md lists what is", shown(name));
            Refusal::new(StatusCode::NOT_FOUND, "InvalidAction.NotFound", message)
        }
    }
}

const fn offered(name: &'static str, since: &'static str, what: &'static str) -> Action {
    Action { name, since, state: State::Offered(what) }
}

const fn later(name: &'static str, since: &'static str, missing: Missing) -> Action {
    Action { name, since, state: State::Later(missing) }
}

const fn out(name: &'static str, since: &'static str, missing: Missing) -> Action {
    Action { name, since, state: State::Out(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_shows_this_table() {
        let rows = ACTIONS.iter().map(|Action { name, since, state }| {
            let state = match state {
                State::Offered(what) => (*what).to_owned(),
                State::Later(what) => format!("later: needs {what}"),
                State::Out(what) => format!("no: needs {what}"),
            };
            format!("| `{name}` | {since} | {state} |")
        });
        let table = rows.collect::<Vec<_>>().join("\n");
        crate::testing::check_document(&format!("| action | since | state |\n|---|---|---|\n{table}\n"));
    }

    #[test]
    fn only_a_name_that_no_sdk_sends_is_not_found() {
        let told = |name| (refusal(name).status().as_u16(), refusal(name).code());
        assert_eq!(told("Nonsense"), (404, "InvalidAction.NotFound"));
        assert_eq!(told("CreateNetwork"), (501, "UnsupportedOperation"));
    }

    #[test]
    fn every_name_stands_once() {
        let mut names: Vec<_> = ACTIONS.iter().map(|action| action.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), ACTIONS.len()), (39, 39));
    }
}
