//! What clients can make the server hold: requests at once, and bytes of their bodies.

use crate::config::Limits;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use types::{ErrorCode, Fault, TenantId};

/// Bytes of a body that cost nothing: small requests are bounded by their number.
const FREE_BYTES: usize = 64 << 10;
/// The unit in which larger bodies are paid for.
const UNIT: usize = 64 << 10;
/// How much more of a body over its limit is read and thrown away, so that a client that first sends and then listens
/// hears why it was refused instead of a broken connection.
const DISCARD_BYTES: usize = 128 << 20;
/// How long that may go on.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// The places for requests and for large bodies.
#[derive(Debug)]
pub(crate) struct Admission {
    requests: Arc<Semaphore>,
    body_units: Arc<Semaphore>,
    tenants: Arc<Mutex<HashMap<TenantId, usize>>>,
    requests_per_tenant: usize,
}

/// One request's part of its tenant's share, kept until dropped.
#[derive(Debug)]
pub(crate) struct Share {
    tenants: Arc<Mutex<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = tenants.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                tenants.remove(&self.tenant);
            }
        }
    }
}

/// A body that was taken in, and the room it occupies until it is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) bytes: Bytes,
    _room: Room,
}

/// The part of the room for large bodies that one request occupies until it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    units: Arc<Semaphore>,
    paid: usize,
    held: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Makes room for `bytes` in all.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), BodyError> {
        while bytes > self.paid {
            let more = self.units.clone().try_acquire_owned().map_err(|_| BodyError::NoRoom)?;
            self.paid += UNIT;
            match &mut self.held {
                Some(held) => held.merge(more),
                None => self.held = Some(more),
            }
        }
        Ok(())
    }
}

/// Why a body was not taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the request body is larger than the {limit} bytes that this request may have")]
    TooLarge { limit: usize },
    #[error("the request body did not arrive within {seconds} s")]
    TooSlow { seconds: u64 },
    #[error("the server holds too many large request bodies now; try again")]
    NoRoom,
    #[error("the request body broke off")]
    Broken(#[source] axum::Error),
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(limits.requests)),
            body_units: Arc::new(Semaphore::new(limits.bodies_in_flight / UNIT)),
            tenants: Arc::default(),
            requests_per_tenant: limits.requests_per_tenant,
        }
    }

    /// A place for one request, kept until dropped.
    pub(crate) fn request(&self) -> Result<OwnedSemaphorePermit, Fault> {
        self.requests.clone().try_acquire_owned().map_err(|_| {
            Fault::new(ErrorCode::ResourceExhausted, "the server has as many requests in work as it takes at once; try again in a moment")
        })
    }

    /// A place within the share of `tenant`, so that one tenant's waiting calls leave room for the others'.
    pub(crate) fn share(&self, tenant: &TenantId) -> Result<Share, Fault> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let count = tenants.entry(tenant.clone()).or_default();
        if *count >= self.requests_per_tenant {
            let text = format!("this tenant has {count} requests in work, which is its limit; try again when one has ended");
            return Err(Fault::new(ErrorCode::ResourceExhausted, text));
        }
        *count += 1;
        Ok(Share { tenants: self.tenants.clone(), tenant: tenant.clone() })
    }

    /// Room for a body that is taken in piece by piece; the first bytes are free.
    pub(crate) fn room(&self) -> Room {
        Room { units: self.body_units.clone(), paid: FREE_BYTES, held: None }
    }

    /// Takes a whole body in, at most `limit` bytes within `time`.
    pub(crate) async fn body(&self, mut body: Body, limit: usize, time: Duration) -> Result<Taken, BodyError> {
        let taken = tokio::time::timeout(time, self.collect(&mut body, limit)).await;
        let taken = taken.unwrap_or(Err(BodyError::TooSlow { seconds: time.as_secs() }));
        if matches!(taken, Err(BodyError::TooLarge { .. } | BodyError::NoRoom)) {
            discard(&mut body).await;
        }
        taken
    }

    async fn collect(&self, body: &mut Body, limit: usize) -> Result<Taken, BodyError> {
        let announced = http_body::Body::size_hint(body).lower();
        if announced > limit as u64 {
            return Err(BodyError::TooLarge { limit });
        }
        let mut bytes = BytesMut::with_capacity((announced as usize).min(FREE_BYTES));
        let mut room = self.room();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
            if bytes.len() + data.len() > limit {
                return Err(BodyError::TooLarge { limit });
            }
            room.grow(bytes.len() + data.len())?;
            bytes.extend_from_slice(&data);
        }
        Ok(Taken { bytes: bytes.freeze(), _room: room })
    }
}

/// Throws away what is left of a refused body, within bounds. Only a courtesy: whether it comes to an end does not matter.
pub(crate) async fn discard(body: &mut Body) {
    let all = async {
        let mut left = DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME, all).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(bodies_in_flight: usize) -> Admission {
        Admission::new(&Limits { bodies_in_flight, requests: 1, ..Limits::default() })
    }

    /// A body of unknown length, as chunked requests have.
    fn chunked(length: usize) -> Body {
        let chunks = (0..length.div_ceil(1000)).map(move |n| Ok::<_, std::io::Error>(vec![b'x'; 1000.min(length - n * 1000)]));
        Body::from_stream(futures::stream::iter(chunks))
    }

    #[tokio::test]
    async fn bodies_are_bounded_whether_announced_or_not() {
        let admission = admission(1 << 20);
        let second = Duration::from_secs(5);
        for make in [|n| Body::from(vec![b'x'; n]), chunked] {
            assert_eq!(admission.body(make(2000), 2000, second).await.unwrap().bytes.len(), 2000);
            let error = admission.body(make(2001), 2000, second).await.unwrap_err();
            assert!(matches!(error, BodyError::TooLarge { limit: 2000 }), "{error}");
        }
    }

    #[tokio::test]
    async fn large_bodies_share_a_bounded_room_and_give_it_back() {
        let admission = admission(2 * UNIT);
        let take = |length| admission.body(chunked(length), 1 << 20, Duration::from_secs(5));
        let first = take(FREE_BYTES + 2 * UNIT).await.unwrap();
        assert!(matches!(take(FREE_BYTES + 1).await, Err(BodyError::NoRoom)));
        assert!(take(FREE_BYTES).await.is_ok(), "small bodies need no room");
        drop(first);
        assert!(take(FREE_BYTES + 1).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let body = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let error = admission(UNIT).body(body, 10, Duration::from_millis(10)).await.unwrap_err();
        assert!(matches!(error, BodyError::TooSlow { .. }), "{error}");
    }

    #[test]
    fn a_tenants_requests_leave_room_for_other_tenants() {
        let admission = Admission::new(&Limits { requests_per_tenant: 2, ..Limits::default() });
        let (one, other): (TenantId, TenantId) = ("tenant-one".parse().unwrap(), "tenant-other".parse().unwrap());
        let taken = [admission.share(&one).unwrap(), admission.share(&one).unwrap()];
        assert_eq!(admission.share(&one).unwrap_err().code(), ErrorCode::ResourceExhausted);
        assert!(admission.share(&other).is_ok());
        drop(taken);
        assert!(admission.share(&one).is_ok());
        assert!(admission.tenants.lock().unwrap().is_empty(), "who asks for nothing costs nothing");
    }

    #[test]
    fn requests_beyond_the_limit_are_told_to_come_back() {
        let admission = admission(UNIT);
        let first = admission.request().unwrap();
        assert_eq!(admission.request().unwrap_err().code(), ErrorCode::ResourceExhausted);
        drop(first);
        assert!(admission.request().is_ok());
    }
}
