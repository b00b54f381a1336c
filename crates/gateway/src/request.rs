//! What one request leaves behind: its id, and one line in the log when it is over.

use control::Identity;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use types::{Entropy, ErrorCode, Fault, RequestId, SessionId};

/// Follows a request through its dialect. The id is the one that the client sees in its answer.
#[derive(Debug)]
pub(crate) struct Trail {
    request: RequestId,
    dialect: &'static str,
    started: Instant,
    facts: Mutex<Facts>,
}

#[derive(Debug, Default)]
struct Facts {
    action: String,
    identity: Option<Identity>,
    session: Option<SessionId>,
    code: String,
}

/// Longest action name kept for the log; it comes from outside.
const MAX_ACTION_LEN: usize = 64;

impl Trail {
    pub(crate) fn start(dialect: &'static str, entropy: &dyn Entropy) -> Self {
        let request = RequestId::generate(entropy);
        Self { request, dialect, started: Instant::now(), facts: Mutex::default() }
    }

    pub(crate) fn request(&self) -> &RequestId {
        &self.request
    }

    /// What is asked for.
    pub(crate) fn action(&self, name: &str) {
        self.facts().action = name.chars().take(MAX_ACTION_LEN).collect();
    }

    /// Who asks.
    pub(crate) fn identity(&self, identity: &Identity) {
        self.facts().identity = Some(identity.clone());
    }

    /// Which session it is about.
    pub(crate) fn session(&self, id: &SessionId) {
        self.facts().session = Some(id.clone());
    }

    /// The dialect's word for a failure.
    pub(crate) fn code(&self, code: &str) {
        self.facts().code = code.to_owned();
    }

    /// Writes down the whole chain of a failure, which the client does not see.
    pub(crate) fn fault(&self, fault: &Fault) {
        let (request, dialect) = (&self.request, self.dialect);
        match fault.code() {
            ErrorCode::Internal => tracing::error!(%request, dialect, chain = %fault.chain(), "request failed"),
            ErrorCode::Unavailable | ErrorCode::DeadlineExceeded | ErrorCode::ResourceExhausted => {
                tracing::warn!(%request, dialect, chain = %fault.chain(), "request failed");
            }
            code if std::error::Error::source(fault).is_some() => {
                tracing::warn!(%request, dialect, ?code, chain = %fault.chain(), "request refused");
            }
            code => tracing::debug!(%request, dialect, ?code, message = fault.message(), "request refused"),
        }
    }

    /// The one line about a request that was answered.
    pub(crate) fn finish(&self, status: http::StatusCode) {
        self.line(Some(status), "request");
    }

    /// The one line about a request whose client left before the answer.
    pub(crate) fn left(&self) {
        self.line(None, "request whose client left");
    }

    fn line(&self, status: Option<http::StatusCode>, message: &str) {
        let facts = self.facts();
        let or_dash = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
        tracing::info!(
            request = %self.request,
            dialect = self.dialect,
            action = %or_dash(Some(&facts.action)),
            tenant = %or_dash(facts.identity.as_ref().map(|identity| identity.tenant.as_str())),
            key = %or_dash(facts.identity.as_ref().map(|identity| identity.key.as_str())),
            session = %or_dash(facts.session.as_ref().map(SessionId::as_str)),
            status = status.map(|status| status.as_u16()),
            code = %or_dash(Some(&facts.code)),
            ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "{message}"
        );
    }

    fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        // A panic while the facts were held leaves them whole: they are only ever assigned.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
