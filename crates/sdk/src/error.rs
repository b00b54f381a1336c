//! What can go wrong, as types: each says whether trying again helps and which request it was.

use crate::git::GitError;
use std::time::Duration;

/// The result of every call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) {
/// use roadstead_sdk::Error;
/// match client.get("session-0000").await {
///     Ok(session) => println!("still there: {}", session.id()),
///     Err(Error::NotFound(_)) => println!("released; make a new one"),
///     Err(error) if error.is_retryable() => println!("try again later: {error}"),
///     Err(error) => println!("{error} (request {:?})", error.request_id()),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Refused by this crate before any request was made; the text says what would be right.
    #[error("{message}")]
    Validation {
        /// What was wrong and what would be right.
        message: String,
    },
    /// The key is missing, unknown or revoked, or may not do this.
    #[error("{0}")]
    Authentication(Box<ApiError>),
    /// No such object; for a session: it was released, or it never was this key's.
    #[error("{0}")]
    NotFound(Box<ApiError>),
    /// A quota or a rate limit; waiting, or releasing something, helps.
    #[error("{0}")]
    LimitExceeded(Box<ApiError>),
    /// Any other refusal or failure of the service.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// The service was reached, and the tool inside the session failed.
    #[error("{0}")]
    Tool(Box<ToolError>),
    /// A git command inside the session failed.
    #[error("{0}")]
    Git(Box<GitError>),
    /// A page behind the last one was asked for.
    #[error("page {page} does not exist: {total_count} sessions match in all")]
    PageOutOfRange {
        /// The page asked for, from 1.
        page: u32,
        /// How many sessions match.
        total_count: u64,
        /// The request that ended the walk.
        request_id: String,
    },
    /// The service could not be reached, or the connection broke. A call that had been sent may have taken effect.
    #[error("{operation} failed: {reason}")]
    Transport {
        /// What was being done.
        operation: String,
        /// Which server, and the innermost cause.
        reason: String,
        /// The cause itself.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stream or a shared connection ended before what it was for. What was running may go on; connect anew.
    #[error("{operation}: the connection was lost: {reason}")]
    Disconnected {
        /// What was being done.
        operation: String,
        /// How it ended, as far as that is known.
        reason: String,
    },
    /// No answer within the time limit. The call may have taken effect, or may still do so.
    #[error("{operation} was not answered within {} ms", after.as_millis())]
    Timeout {
        /// What was being done.
        operation: String,
        /// The limit that passed.
        after: Duration,
        /// The last request's id, when there was an answer to have one from.
        request_id: Option<String>,
    },
    /// The service answered something that this crate cannot read.
    #[error("{operation}: the answer cannot be understood: {problem}")]
    UnexpectedAnswer {
        /// What was being done.
        operation: String,
        /// What is wrong with the answer.
        problem: String,
        /// The request, when the answer named it.
        request_id: Option<String>,
    },
}

/// A failure that the service reported.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) {
/// if let Err(roadstead_sdk::Error::Api(error)) = client.get("session-0000").await {
///     println!("{} {} {}", error.status, error.code, error.message);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed: {message}{}", brackets(.code, Some(.status), .request_id.as_deref()))]
#[non_exhaustive]
pub struct ApiError {
    /// What was being done, such as `creating a session`.
    pub operation: String,
    /// The service's code, such as `InvalidMcpSession.NotFound`; empty when it gave none.
    pub code: String,
    /// The service's words.
    pub message: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// The request's id, as it stands in the service's log.
    pub request_id: Option<String>,
}

/// A failure that a tool inside the session reported.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) {
/// if let Err(roadstead_sdk::Error::Tool(error)) = session.files().read("/no/such/file").await {
///     println!("{}: {}", error.tool, error.message);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tool} failed: {message}{}", brackets("", None, Some(.request_id)))]
#[non_exhaustive]
pub struct ToolError {
    /// The tool's name, such as `read_file`.
    pub tool: String,
    /// The tool's words.
    pub message: String,
    /// The request's id.
    pub request_id: String,
}

impl Error {
    /// Whether the same call, made again unchanged, may succeed: after a limit, an overload, a broken connection or a
    /// time-out. After the last two the first call may have taken effect, so repeat only what may happen twice.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// use std::time::Duration;
    /// let mut pause = Duration::from_millis(200);
    /// let session = loop {
    ///     match client.create(Default::default()).await {
    ///         Err(error) if error.is_retryable() && pause < Duration::from_secs(10) => tokio::time::sleep(pause).await,
    ///         done => break done?,
    ///     }
    ///     pause *= 2;
    /// };
    /// # Ok(()) }
    /// ```
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::LimitExceeded(_) | Self::Transport { .. } | Self::Disconnected { .. } | Self::Timeout { .. } => true,
            Self::Api(error) => matches!(error.status, 502..=504) || error.code.contains("ServiceUnavailable"),
            _ => false,
        }
    }

    /// The id of the request that failed, when the service got to see one and named it.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) {
    /// if let Err(error) = client.get("session-0000").await {
    ///     eprintln!("roadstead logs --request {}", error.request_id().unwrap_or("-"));
    /// }
    /// # }
    /// ```
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Authentication(error) | Self::NotFound(error) | Self::LimitExceeded(error) | Self::Api(error) => {
                error.request_id.as_deref()
            }
            Self::Tool(error) => Some(&error.request_id),
            Self::Git(error) => Some(&error.request_id),
            Self::PageOutOfRange { request_id, .. } => Some(request_id),
            Self::Timeout { request_id, .. } | Self::UnexpectedAnswer { request_id, .. } => request_id.as_deref(),
            Self::Validation { .. } | Self::Transport { .. } | Self::Disconnected { .. } => None,
        }
    }

    /// What the service said, when it was the service that failed the call.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) {
    /// if let Err(error) = client.get("session-0000").await {
    ///     println!("{:?}", error.api().map(|api| (api.status, &api.code)));
    /// }
    /// # }
    /// ```
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Authentication(error) | Self::NotFound(error) | Self::LimitExceeded(error) | Self::Api(error) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Validation { message: message.into() }
    }

    pub(crate) fn lost(operation: &str, reason: impl std::fmt::Display) -> Self {
        Self::Disconnected { operation: operation.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn unexpected(operation: &str, problem: impl Into<String>, request_id: Option<String>) -> Self {
        Self::UnexpectedAnswer { operation: operation.to_owned(), problem: problem.into(), request_id }
    }

    pub(crate) fn tool(tool: &str, message: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self::Tool(Box::new(ToolError { tool: tool.to_owned(), message: message.into(), request_id: request_id.into() }))
    }

    /// Sorts what the service reported into its kind. Codes differ between services, so words in them count too.
    pub(crate) fn from_api(error: ApiError) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| error.code.contains(word));
        let kind = match error.status {
            // An unknown action is no object that could be missing.
            _ if error.code.starts_with("InvalidAction") => Self::Api,
            429 => Self::LimitExceeded,
            401 | 403 => Self::Authentication,
            _ if has(&["NotFound", "NotExist", "not_found"]) => Self::NotFound,
            _ if has(&["LimitExceeded", "QuotaExceeded", "Throttling", "ResourceExhausted", "TooMany", "resource_exhausted"]) => {
                Self::LimitExceeded
            }
            _ if has(&[
                "Unauthorized",
                "Unauthenticated",
                "InvalidApiKey",
                "Forbidden",
                "AccessDenied",
                "unauthenticated",
                "permission_denied",
            ]) =>
            {
                Self::Authentication
            }
            404 if error.code.is_empty() => Self::NotFound,
            _ => Self::Api,
        };
        kind(Box::new(error))
    }
}

/// The facts behind a message: ` [code, HTTP 400, request …]`, leaving out what is not known.
fn brackets(code: &str, status: Option<&u16>, request_id: Option<&str>) -> String {
    let mut facts = Vec::new();
    if !code.is_empty() {
        facts.push(code.to_owned());
    }
    facts.extend(status.map(|status| format!("HTTP {status}")));
    facts.extend(request_id.filter(|id| !id.is_empty()).map(|id| format!("request {id}")));
    if facts.is_empty() { String::new() } else { format!(" [{}]", facts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(status: u16, code: &str) -> Error {
        Error::from_api(ApiError {
            operation: "getting session s".into(),
            code: code.into(),
            message: "no".into(),
            status,
            request_id: Some("req-1".into()),
        })
    }

    #[test]
    fn codes_and_statuses_are_sorted_into_kinds() {
        let check = |status, code, kind: &str, retryable| {
            let error = api(status, code);
            assert!(format!("{error:?}").starts_with(kind), "{status} {code}: {error:?}");
            assert_eq!(error.is_retryable(), retryable, "{status} {code}");
        };
        check(400, "InvalidMcpSession.NotFound", "NotFound", false);
        check(404, "InvalidAction.NotFound", "Api", false);
        check(404, "EntityNotExist", "NotFound", false);
        check(401, "InvalidApiKey", "Authentication", false);
        check(200, "InvalidApiKey", "Authentication", false);
        check(429, "Throttling.User", "LimitExceeded", true);
        check(400, "SessionQuotaExceeded", "LimitExceeded", true);
        check(503, "ServiceUnavailable", "Api", true);
        check(500, "InternalError", "Api", false);
        check(400, "InvalidParameter", "Api", false);
    }

    #[test]
    fn the_text_names_operation_code_status_and_request() {
        let text = api(400, "InvalidMcpSession.NotFound").to_string();
        assert_eq!(text, "getting session s failed: no [InvalidMcpSession.NotFound, HTTP 400, request req-1]");
    }
}
