//! The protocols that the API listeners speak, one folder each.
//!
//! A dialect's folder holds its wire form, its decoding into typed calls, its encoding of results and its own mapping
//! of failures. What differs between versions of a foreign SDK is decided there and nowhere else. The two foreign vendors'
//! dialects know nothing of each other; what is the same in both is in `vendor`.

#[cfg(feature = "agb")]
pub(crate) mod agb;
#[cfg(feature = "agentbay")]
pub(crate) mod agentbay;
pub(crate) mod native;
mod vendor;

use crate::app::App;
use crate::front;
use crate::tool::Form;
use axum::body::Body;
use http::{Request, Response};
use std::sync::Arc;
use types::ClientInfo;

#[cfg(not(any(feature = "agb", feature = "agentbay")))]
compile_error!("the gateway speaks at least one vendor's dialect: turn on the feature `agb` or `agentbay`");

/// Who answers what is nobody else's.
#[cfg(feature = "agb")]
use agb::Agb as Rest;
#[cfg(not(feature = "agb"))]
use agentbay::AgentBay as Rest;

/// Lets a request through the vendor's dialect that it is meant for. Where there is but one, that one answers.
pub(crate) async fn pass(app: Arc<App>, request: Request<Body>) -> Response<Body> {
    #[cfg(all(feature = "agb", feature = "agentbay"))]
    if agentbay::is_meant(&request) && !agb::serves(request.uri().path()) {
        return front::pass::<agentbay::AgentBay>(app, request).await;
    }
    front::pass::<Rest>(app, request).await
}

/// How whoever made a session wants the results of commands and code, on routes that are no dialect's own.
pub(crate) fn form(client: &ClientInfo) -> Form {
    match client.dialect.as_str() {
        #[cfg(feature = "agb")]
        agb::DIALECT => agb::form(client),
        #[cfg(feature = "agentbay")]
        agentbay::DIALECT => agentbay::form(client),
        _ => Form::Wrapped,
    }
}

#[cfg(all(test, feature = "agb", feature = "agentbay"))]
mod tests;
