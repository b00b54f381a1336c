//! The front door: TLS, authentication, limits, and the dialects that foreign programs speak.
//!
//! A dialect only decodes a request into one typed call on [`control::Control`] and encodes what comes back; it decides
//! nothing. Requests are routed by listener before path, so that pages served from inside a session (the links
//! listener) can never shadow the API, and live on an origin of their own.
//!
//! ```text
//!  https, http (loopback) ──► /v1/…                  dialect::native
//!                             /direct/…, /callTool   direct: calls and streams of one session, by its token
//!                             /                      dialect::agentbay (feature `agentbay`)
//!                             else                   dialect::agb      (feature `agb`): /mcp, /sdk/…, …
//!  links                  ──► /l/…    a port inside a session      /r/…  facts about a session
//!                             /o/…    one file of a context
//! ```

#![forbid(unsafe_code)]

mod app;
mod auth;
mod config;
mod dialect;
mod direct;
mod error;
mod front;
mod limits;
mod links;
mod listener;
mod origin;
mod request;
mod sign;
#[cfg(test)]
mod testing;
pub mod tls;
mod tool;
mod transfer;
mod web_socket;

pub use config::{GatewayConfig, Limits, Timeouts};
pub use error::GatewayError;
pub use listener::{Addresses, DrainReport, Gateway, bind};
