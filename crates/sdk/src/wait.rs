//! Waiting for a service inside a session.

use crate::{Error, Response, Result, Session};
use std::time::Duration;

impl Session {
    /// Waits until something inside the session listens on a TCP port. Goes beyond the guides; works in every Linux image.
    ///
    /// [`Error::Timeout`] when nothing listens in time. One call of at most 50 s on the hosted service.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.command().run("python3 -m http.server 30100 >/dev/null 2>&1 &").await?;
    /// session.wait_for_port(30100, std::time::Duration::from_secs(10)).await?;
    /// # Ok(()) }
    /// ```
    pub async fn wait_for_port(&self, port: u16, limit: Duration) -> Result<Response<()>> {
        // The kernel's table says who listens, without a connection that the service would see as a client.
        let script =
            format!("until grep -qsE '^ *[0-9]+: [0-9A-F]+:{port:04X} [0-9A-F:]+ 0A ' /proc/net/tcp /proc/net/tcp6; do sleep 0.02; done");
        let output = self.command().run(script).timeout(limit).await?;
        if output.success() {
            return Ok(output.map(|_| ()));
        }
        let Response { request_id, value, .. } = output;
        if value.timed_out || value.stderr.is_empty() {
            let operation = format!("waiting for port {port} in session {}", self.id());
            return Err(Error::Timeout { operation, after: limit, request_id: Some(request_id) });
        }
        Err(Error::tool("shell", value.stderr, request_id))
    }
}
