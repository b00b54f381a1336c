//! A result together with the id of the request that brought it.

use std::ops::{Deref, DerefMut};

/// What a call brought back. It can be used as the value itself; the request's id stands beside it.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// let session = client.create(Default::default()).await?;
/// println!("{} came by request {}", session.id(), session.request_id);
/// let session = session.into_value(); // the bare session
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response<T> {
    /// The request's id, as it stands in the service's log. Where one call makes several requests: the last one's.
    pub request_id: String,
    /// The value.
    pub value: T,
}

impl<T> Response<T> {
    /// The value alone.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let text: String = session.files().read("/etc/hostname").await?.into_value();
    /// # Ok(()) }
    /// ```
    pub fn into_value(self) -> T {
        self.value
    }

    /// The same request with a value made from this one.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let lines = session.files().read("/etc/passwd").await?.map(|text| text.lines().count());
    /// println!("{} lines, request {}", *lines, lines.request_id);
    /// # Ok(()) }
    /// ```
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Response<U> {
        Response { request_id: self.request_id, value: make(self.value) }
    }

    pub(crate) fn new(request_id: impl Into<String>, value: T) -> Self {
        Self { request_id: request_id.into(), value }
    }
}

impl<T> Deref for Response<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Response<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
