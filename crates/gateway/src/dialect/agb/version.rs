//! What a client understands, from what it said about itself when it made the session.

use crate::dialect::vendor::minor_version;
use crate::tool::Form;
use types::ClientInfo;

/// The dialect's own name in [`ClientInfo::dialect`].
pub(in crate::dialect) const DIALECT: &str = "agb";

/// First version that reads the wrapped form.
const WRAPPED_SINCE: (u64, u64) = (0, 8);
/// First version that calls tools directly and opens the WebSocket.
const ROUTES_SINCE: (u64, u64) = (0, 12);

/// How this client wants the results of commands and code. SDKs up to 0.7 show their users the bare text.
pub(in crate::dialect) fn form(client: &ClientInfo) -> Form {
    if knows(client, WRAPPED_SINCE) { Form::Wrapped } else { Form::Plain }
}

/// Whether this client is told of the ways into its session besides the API.
///
/// A session with a screen is where this will depend on the image too: the SDK refuses `capture()` when it knows a
/// `linkUrl`, and `beta_take_screenshot()` when it knows none.
pub(super) fn knows_routes(client: &ClientInfo) -> bool {
    knows(client, ROUTES_SINCE)
}

/// Whether a client is of that version or later. SDKs up to 0.4 say nothing of themselves. What another dialect's client
/// made is looked at by a version of this one's that is not known, so it is taken to be a new one; so is a version that
/// says no number.
fn knows(client: &ClientInfo, since: (u64, u64)) -> bool {
    client.dialect != DIALECT || (!client.version.is_empty() && minor_version(&client.version).is_none_or(|version| version >= since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_gets_the_form_and_the_routes_it_knows() {
        let check = |dialect: &str, version: &str, wanted, routes| {
            let client = ClientInfo { dialect: dialect.into(), version: version.into(), ..ClientInfo::default() };
            assert_eq!((form(&client), knows_routes(&client)), (wanted, routes), "{client:?}");
        };
        check("agb", "", Form::Plain, false);
        check("agb", "0.5.1", Form::Plain, false);
        check("agb", "0.7.1", Form::Plain, false);
        check("agb", "0.8.0", Form::Wrapped, false);
        check("agb", "0.11.0", Form::Wrapped, false);
        check("agb", "0.12.0", Form::Wrapped, true);
        check("agb", "1.0.0rc1", Form::Wrapped, true);
        check("agb", "dev", Form::Wrapped, true);
        check("agentbay", "0.9.0", Form::Wrapped, true);
        check("native", "", Form::Wrapped, true);
    }
}
