//! What a client understands, from what it said about itself when it made the session.

use crate::dialect::vendor::minor_version;
use crate::tool::Form;
use types::{ClientInfo, SdkLanguage};

/// The dialect's own name in [`ClientInfo::dialect`].
pub(in crate::dialect) const DIALECT: &str = "agentbay";

/// The first release of the Python SDK, as a client's version.
pub(super) const FIRST_PYTHON: &str = "0.3.2";
/// First version that reads the wrapped form. The vendor numbers the releases of all its languages alike.
const WRAPPED_SINCE: (u64, u64) = (0, 13);

/// How this client wants the results of commands and code. SDKs up to 0.12 show their users the bare text.
pub(in crate::dialect) fn form(client: &ClientInfo) -> Form {
    if client.dialect != DIALECT {
        return Form::Wrapped;
    }
    match client.language {
        Some(SdkLanguage::Rust) => Form::Wrapped,
        Some(_) if minor_version(&client.version).is_some_and(|version| version < WRAPPED_SINCE) => Form::Plain,
        // Only Python SDKs up to 0.9 send no statistics at all.
        None if client.version.is_empty() => Form::Plain,
        _ => Form::Wrapped,
    }
}

/// The ways into a session besides the API that a client is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Routes {
    /// `LinkUrl`: tools are called directly.
    pub(super) link: bool,
    /// `WsUrl`: code is streamed, terminals and watches work.
    pub(super) socket: bool,
    /// A network address of the session.
    pub(super) vpc: bool,
}

impl Routes {
    /// Whether the session's token is needed for any of them.
    pub(super) fn token(self) -> bool {
        self.link || self.socket || self.vpc
    }
}

/// First version that calls tools by `LinkUrl`.
const LINK_SINCE: (u64, u64) = (0, 15);
/// First version that opens the WebSocket.
const SOCKET_SINCE: (u64, u64) = (0, 16);

/// Which fields of a session this client is given.
///
/// A client that reaches its session on a network address must find no other way, and one that did not ask for it no
/// such address: some versions take it for the wish.
///
/// A session with a screen is where this will depend on the image too: Python SDKs refuse `screenshot()` when they know a
/// `LinkUrl`, and `beta_take_screenshot()` when they know none.
pub(super) fn routes(client: &ClientInfo) -> Routes {
    let routes = |link, socket| Routes { link, socket, vpc: false };
    if client.vpc {
        return Routes { vpc: true, ..routes(false, false) };
    }
    match client.language {
        _ if client.dialect != DIALECT => routes(true, true),
        Some(SdkLanguage::Rust) => routes(true, true),
        Some(_) => {
            // A version that says no number is a development one, newer than all.
            let since = |first| minor_version(&client.version).is_none_or(|version| version >= first);
            routes(since(LINK_SINCE), since(SOCKET_SINCE))
        }
        None => routes(false, false),
    }
}

/// Whether this client takes a link as a bare text and nothing else, as the first release does.
pub(super) fn reads_bare_links(client: &ClientInfo) -> bool {
    client.dialect == DIALECT && client.version == FIRST_PYTHON
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_told_of_the_routes_it_knows() {
        use SdkLanguage::*;
        let check = |language, version: &str, link, socket| {
            let client = ClientInfo { dialect: DIALECT.into(), language, version: version.into(), ..ClientInfo::default() };
            assert_eq!(routes(&client), Routes { link, socket, vpc: false }, "{client:?}");
            let vpc = routes(&ClientInfo { vpc: true, ..client });
            assert_eq!(vpc, Routes { link: false, socket: false, vpc: true });
            assert!(vpc.token());
        };
        check(None, "", false, false);
        check(Some(Python), "0.14.1", false, false);
        check(Some(Python), "0.15.0", true, false);
        check(Some(Python), "0.16.0", true, true);
        check(Some(Python), "0.22.3", true, true);
        check(Some(Python), "1.0.0", true, true);
        check(Some(Python), "dev", true, true);
        check(Some(Typescript), "0.15.1", true, false);
        check(Some(Golang), "0.15.1", true, false);
        check(Some(Golang), "0.22.0", true, true);
        check(Some(Java), "0.0.6", false, false);
        check(Some(Java), "0.15.0", true, false);
        check(Some(Rust), "0.1.0", true, true);
        assert!(!Routes { link: false, socket: false, vpc: false }.token());
    }

    #[test]
    fn old_python_and_silence_mean_plain_text() {
        use SdkLanguage::*;
        let check = |dialect: &str, language, version: &str, wanted| {
            let client = ClientInfo { dialect: dialect.into(), language, version: version.into(), ..ClientInfo::default() };
            assert_eq!(form(&client), wanted, "{client:?}");
        };
        check("agentbay", None, "", Form::Plain);
        check("agentbay", Some(Python), "0.9.3", Form::Plain);
        check("agentbay", Some(Python), "0.12.0", Form::Plain);
        check("agentbay", Some(Python), "0.13.0", Form::Wrapped);
        check("agentbay", Some(Python), "0.13.0rc1", Form::Wrapped);
        check("agentbay", Some(Python), "0.22.3", Form::Wrapped);
        check("agentbay", Some(Python), "1.0.0", Form::Wrapped);
        check("agentbay", Some(Python), "dev", Form::Wrapped);
        check("agentbay", Some(Typescript), "0.12.0", Form::Plain);
        check("agentbay", Some(Java), "0.0.6", Form::Plain);
        check("agentbay", Some(Golang), "0.13.0", Form::Wrapped);
        check("agentbay", Some(Golang), "0.15.1", Form::Wrapped);
        check("agentbay", Some(Rust), "0.1.0", Form::Wrapped);
        check("agentbay", None, "2.0 of an unknown language", Form::Wrapped);
        check("native", None, "", Form::Wrapped);
    }
}
