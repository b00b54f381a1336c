//! Who waits for an answer, and what becomes of it when nobody does.

use super::*;
use crate::config::{Limits, Timeouts};
use crate::testing::World;
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::sync::Notify;

/// Answers `POST /` with `{}` once it is released, in the manner that the query names.
struct Slow;

/// What a request to [`Slow`] carries.
#[derive(Clone, Default)]
struct Gate {
    /// Tells that the request is being served.
    begun: Arc<Notify>,
    release: Arc<Notify>,
}

impl Dialect for Slow {
    const NAME: &'static str = "slow";

    fn manner(request: &Request<Body>) -> Manner {
        match request.uri().query() {
            Some("alive") => Manner::KeptAlive,
            Some("with") => Manner::WithClient,
            _ => Manner::ToItsEnd,
        }
    }

    async fn serve(_: Arc<App>, _: Arc<Trail>, request: Request<Body>) -> Response<Body> {
        let gate = request.extensions().get::<Gate>().unwrap();
        gate.begun.notify_one();
        gate.release.notified().await;
        assert_ne!(request.method(), "PUT", "as if the dialect had a fault");
        Response::new(Body::from("{}"))
    }

    fn rescue(_: &Fault, _: &Trail, path: &str) -> Response<Body> {
        Response::builder().status(500).body(Body::from(format!("rescued {path}"))).unwrap()
    }
}

/// A front door with one place, and blanks each few milliseconds.
async fn world() -> World {
    let limits = Limits { requests: 1, ..Limits::default() };
    World::limited(limits, Timeouts { sign_of_life: Duration::from_millis(5), ..Timeouts::default() }, |_| None).await
}

fn request(method: &str, manner: &str, gate: &Gate) -> Request<Body> {
    Request::builder().method(method).uri(format!("/path?{manner}")).extension(gate.clone()).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn who_waits_long_reads_blanks_before_the_answer() {
    let (world, gate) = (world().await, Gate::default());
    let response = pass::<Slow>(world.app.clone(), request("POST", "alive", &gate)).await;
    assert_eq!((response.status().as_u16(), response.headers()["content-type"].as_bytes()), (200, &b"application/json"[..]));
    let mut body = response.into_body();
    for _ in 0..3 {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), " ");
    }
    gate.release.notify_one();
    let text = body.collect().await.unwrap().to_bytes();
    assert_eq!(text.trim_ascii_start(), b"{}");
    assert!(world.app.admission.request().is_ok(), "the place is back");

    let gate = Gate::default();
    let response = pass::<Slow>(world.app.clone(), request("PUT", "alive", &gate)).await;
    gate.release.notify_one();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text.trim_ascii_start(), b"rescued /path");
}

#[tokio::test]
async fn who_is_answered_at_once_reads_no_blank() {
    let (world, gate) = (World::new().await, Gate::default());
    gate.release.notify_one();
    let response = pass::<Slow>(world.app.clone(), request("POST", "alive", &gate)).await;
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{}");
    gate.release.notify_one();
    let response = pass::<Slow>(world.app.clone(), request("PUT", "alive", &gate)).await;
    assert_eq!(response.status().as_u16(), 500);
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back_where_it_is_waited_for_alone() {
    let world = world().await;
    for manner in ["alive", "with"] {
        let gate = Gate::default();
        let mut waiting = Box::pin(pass::<Slow>(world.app.clone(), request("POST", manner, &gate)));
        let body = tokio::select! {
            // The head has come, and blanks come: the client reads a body.
            response = &mut waiting => Some(response.into_body()),
            () = gate.begun.notified(), if manner == "with" => None,
        };
        assert!(world.app.admission.request().is_err(), "the one place is taken");
        drop((waiting, body));
        served(&world).await;
    }
    let gate = Gate::default();
    let mut waiting = Box::pin(pass::<Slow>(world.app.clone(), request("POST", "", &gate)));
    tokio::select! {
        _ = &mut waiting => panic!("answered"),
        () = gate.begun.notified() => {}
    }
    drop(waiting);
    assert!(world.app.admission.request().is_err(), "it is served to its end");
    gate.release.notify_one();
    served(&world).await;
}

/// Waits until nothing is served, and checks that the one place is free then.
async fn served(world: &World) {
    world.app.work.close();
    world.app.work.wait().await;
    world.app.work.reopen();
    assert!(world.app.admission.request().is_ok(), "the place is back");
}
