//! Who asks, and for which request: carried through every call.

use types::{KeyId, RequestId, TenantId};

/// The holder of a valid key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whose objects the holder sees.
    pub tenant: TenantId,
    /// Which key.
    pub key: KeyId,
    /// Whether the key manages keys and the server.
    pub admin: bool,
}

/// One operation: identity and request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpContext {
    /// Who asks.
    pub identity: Identity,
    /// The request, as the client sees it in the answer.
    pub request: RequestId,
}
