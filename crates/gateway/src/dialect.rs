//! The protocols that the API listeners speak, one folder each.
//!
//! A dialect's folder holds its wire form, its decoding into typed calls, its encoding of results and its own mapping
//! of failures. What differs between versions of a foreign SDK is decided there and nowhere else.

pub(crate) mod agentbay;
pub(crate) mod native;
