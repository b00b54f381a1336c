//! What a new session is to be.

use crate::labels;
use crate::transport::Call;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::time::Duration;

/// What to make; everything has a default.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::CreateSessionParams;
/// use std::time::Duration;
/// let params = CreateSessionParams::new()
///     .image("linux_latest")
///     .label("project", "demo")
///     .idle_timeout(Duration::from_secs(120))
///     .delete_on_drop(true);
/// let session = client.create(params).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "params do nothing until a session is created with them"]
pub struct CreateSessionParams {
    pub(crate) image: Option<String>,
    labels: BTreeMap<String, String>,
    policy_id: Option<String>,
    framework: String,
    idle_timeout: Option<Duration>,
    max_runtime: Option<Duration>,
    manual_release: bool,
    pub(crate) delete_on_drop: bool,
}

impl CreateSessionParams {
    /// A session as the service makes it by default.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::CreateSessionParams::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The image to start from; the service's default is `linux_latest`.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::CreateSessionParams::new().image("linux_latest");
    /// ```
    pub fn image(mut self, image_id: impl Into<String>) -> Self {
        self.image = Some(image_id.into());
        self
    }

    /// One more label. Keys and values are non-empty.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::CreateSessionParams::new().label("project", "demo").label("owner", "ada");
    /// ```
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Several more labels.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::CreateSessionParams::new().labels([("project", "demo"), ("owner", "ada")]);
    /// ```
    pub fn labels<K: Into<String>, V: Into<String>>(mut self, labels: impl IntoIterator<Item = (K, V)>) -> Self {
        self.labels.extend(labels.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// The id of a policy that the service knows.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::CreateSessionParams::new().policy_id("policy-1");
    /// ```
    pub fn policy_id(mut self, policy_id: impl Into<String>) -> Self {
        self.policy_id = Some(policy_id.into());
        self
    }

    /// The agent framework that uses this crate, for the service's statistics.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::CreateSessionParams::new().framework("my-agents");
    /// ```
    pub fn framework(mut self, name: impl Into<String>) -> Self {
        self.framework = name.into();
        self
    }

    /// Release the session after this long without a call. Whole seconds are sent; beside [`Self::max_runtime`] whole
    /// minutes, because the protocol then counts in minutes. Fractions are rounded up.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::CreateSessionParams::new().idle_timeout(std::time::Duration::from_secs(90));
    /// ```
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.idle_timeout = Some(idle);
        self
    }

    /// Release the session this long after it was made, used or not. Sent in whole minutes, rounded up.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::CreateSessionParams::new().max_runtime(std::time::Duration::from_secs(3600));
    /// ```
    pub fn max_runtime(mut self, max: Duration) -> Self {
        self.max_runtime = Some(max);
        self
    }

    /// Never release the session by itself: it lives until it is deleted. Excludes the two limits above.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::CreateSessionParams::new().manual_release(true);
    /// ```
    pub fn manual_release(mut self, manual: bool) -> Self {
        self.manual_release = manual;
        self
    }

    /// Delete the session when its last handle is dropped; see [`crate::Session::delete_on_drop`].
    ///
    /// ```no_run
    /// let params = roadstead_sdk::CreateSessionParams::new().delete_on_drop(true);
    /// ```
    pub fn delete_on_drop(mut self, delete: bool) -> Self {
        self.delete_on_drop = delete;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        labels::check(&self.labels)?;
        if self.image.as_deref().is_some_and(|image| image.trim().is_empty()) {
            return Err(Error::invalid("the image id is empty; leave it out for the service's default"));
        }
        if self.manual_release && (self.idle_timeout.is_some() || self.max_runtime.is_some()) {
            return Err(Error::invalid("manual release excludes an idle time-out and a maximum run time: choose one"));
        }
        if [self.idle_timeout, self.max_runtime].contains(&Some(Duration::ZERO)) {
            return Err(Error::invalid("an idle time-out or maximum run time of 0 would end the session at once"));
        }
        Ok(())
    }

    pub(crate) fn to_call(&self, operation: &str, region: &str) -> Call {
        let stats = serde_json::json!({
            "source": "sdk",
            "sdk_language": "rust",
            "sdk_version": env!("CARGO_PKG_VERSION"),
            "is_release": !env!("CARGO_PKG_VERSION").contains('-'),
            "framework": self.framework,
        });
        let idle = match self.max_runtime {
            Some(_) => self.idle_timeout.map(minutes),
            None => self.idle_timeout.map(seconds),
        };
        Call::new("CreateMcpSession", operation)
            .optional("ImageId", self.image.as_deref())
            .optional("Labels", (!self.labels.is_empty()).then(|| labels::to_json(&self.labels)))
            .optional("McpPolicyId", self.policy_id.as_deref())
            .param("LoginRegionId", region)
            .optional("Timeout", idle.map(|n| n.to_string()))
            .optional("MaxRuntime", self.max_runtime.map(|max| minutes(max).to_string()))
            .optional("ManualRelease", self.manual_release.then_some("True"))
            .param("SdkStats", stats.to_string())
    }
}

fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn minutes(time: Duration) -> u64 {
    seconds(time).div_ceil(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused() {
        let check = |params: CreateSessionParams, word: &str| {
            let error = params.check().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        let second = Duration::from_secs(1);
        check(CreateSessionParams::new().label("a", " "), "`a`");
        check(CreateSessionParams::new().image(""), "image");
        check(CreateSessionParams::new().manual_release(true).idle_timeout(second), "manual");
        check(CreateSessionParams::new().max_runtime(Duration::ZERO), "0");
        CreateSessionParams::new().idle_timeout(second).max_runtime(second).check().unwrap();
    }

    #[test]
    fn times_are_rounded_up_never_down_to_nothing() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!((minutes(Duration::from_secs(1)), minutes(Duration::from_secs(60)), minutes(Duration::from_secs(61))), (1, 1, 2));
    }
}
