//! What the two foreign vendors' dialects share: they are siblings, sold under two names over two wire forms.
//!
//! | what | file |
//! |---|---|
//! | a request's parameters as texts, and the types written into them | `params`, `values` |
//! | what a client says about itself | `client` |
//! | an admitted request, and what both ask of the engine | `call` |
//! | a session in the vendors' words | `session` |
//! | what both ask about contexts | `contexts` |
//! | failures in the vendors' words | `refusal` |
//!
//! A dialect keeps what is its own: how a request is laid out, the names of its fields, the envelope, and which version
//! of its SDKs understands what.

mod call;
mod client;
pub(super) mod contexts;
mod params;
mod refusal;
pub(super) mod session;
pub(super) mod values;

pub(super) use call::Call;
pub(super) use client::{minor_version, said};
pub(super) use params::{Params, shown};
pub(super) use refusal::{Refusal, Subject};

/// What something needs that is not there, as a sentence goes on after "needs".
pub(super) type Missing = &'static str;

pub(super) const CONTEXTS: Missing = "synchronisation of contexts with sessions";
pub(super) const BROWSER: Missing = "a session made from an image with a browser (browser_latest)";
