//! By which names clients know images.

use crate::support::{World, assert_fault, image};
use control::{CreateSession, ListSessions};
use types::{Capability, ErrorCode, ImageId};

fn id(text: &str) -> ImageId {
    text.parse().unwrap()
}

fn from(image: &str) -> CreateSession {
    CreateSession { image: Some(image.into()), ..CreateSession::default() }
}

async fn world(aliases: &[(&str, &str)]) -> World {
    let mut world = World::new();
    world.config.image_aliases.extend(aliases.iter().map(|(alias, image)| (id(alias), id(image))));
    world
        .runtime
        .set_images(vec![image("linux_latest", &[Capability::Shell]), image("code_latest", &[Capability::Shell, Capability::Code])]);
    world
}

#[tokio::test]
async fn sessions_are_made_and_found_by_an_alias_and_show_the_image() {
    let world = world(&[("mine", "linux_latest")]).await;
    let server = world.start().await;
    for (alias, expected) in [("mine", "linux_latest"), ("agb-code-space-1", "code_latest"), ("agb-code-space-2", "code_latest")] {
        let made = server.create(from(alias)).await;
        assert_eq!(made.image.as_str(), expected, "{alias}");
        assert_eq!(server.row(&made.id).await.image.as_str(), expected, "{alias}");
        let found = ListSessions { image: Some(alias.into()), limit: 10, ..ListSessions::default() };
        let found = server.control.list_sessions(&server.cx, found).await.unwrap();
        assert!(found.sessions.iter().any(|session| session.id == made.id), "{alias}");
        assert!(found.sessions.iter().all(|session| session.image.as_str() == expected), "{alias}");
        assert_eq!(server.control.image(alias).await.unwrap().id.as_str(), expected);
    }
    assert_eq!(server.control.image_aliases(&id("code_latest")), [id("agb-code-space-1"), id("agb-code-space-2")]);
}

#[tokio::test]
async fn an_alias_of_what_is_not_there_is_refused_by_both_names_and_circles_end() {
    let world = world(&[
        ("ring-a", "ring-b"),
        ("ring-b", "ring-a"),
        ("self", "self"),
        ("agb-code-space-2", "absent"),
        ("chain", "agb-code-space-1"),
    ]);
    let server = world.await.start().await;
    for (alias, text) in [
        (
            "agb-browser-use-1",
            "image \"agb-browser-use-1\" stands for browser_latest, which is not on this host; it has: code_latest, linux_latest",
        ),
        ("agb-computer-use-ubuntu-2204", "stands for desktop_latest"),
        ("agb-code-space-2", "stands for absent"),
        ("ring-a", "stands for ring-b"),
        ("self", "stands for self"),
        ("chain", "stands for agb-code-space-1"),
    ] {
        assert_fault(server.control.create_session(&server.cx, from(alias)).await, ErrorCode::InvalidArgument, text);
        assert_fault(server.control.image(alias).await, ErrorCode::InvalidArgument, text);
    }
}

#[tokio::test]
async fn an_image_keeps_its_own_name() {
    let world = world(&[("linux_latest", "code_latest"), ("later", "code_latest")]).await;
    let server = world.start().await;
    assert_eq!(server.create(from("linux_latest")).await.image.as_str(), "linux_latest");
    assert_eq!(server.control.image_aliases(&id("code_latest")), [id("agb-code-space-1"), id("agb-code-space-2"), id("later")]);
    world.runtime.set_images(vec![image("code_latest", &[]), image("later", &[])]);
    server.control.images().await.unwrap();
    assert_eq!(server.create(from("later")).await.image.as_str(), "later");
}

#[tokio::test]
async fn an_image_that_is_being_built_is_said_to_be_and_can_be_had_soon() {
    let world = World::new();
    let server = world.start().await;
    let refused = |name: &'static str| server.control.create_session(&server.cx, from(name));
    assert_fault(refused("code_latest").await, ErrorCode::InvalidArgument, "is not on this host");
    world.runtime.set_images_being_built(vec![id("code_latest")]);
    assert_fault(refused("code_latest").await, ErrorCode::Unavailable, "image \"code_latest\" is being built");
    assert_fault(refused("agb-code-space-1").await, ErrorCode::Unavailable, "stands for code_latest, which is being built");
    assert_fault(refused("browser_latest").await, ErrorCode::InvalidArgument, "is not on this host");
    world.runtime.set_images(vec![image("code_latest", &[])]);
    assert_eq!(server.create(from("code_latest")).await.image.as_str(), "code_latest");
}

#[tokio::test]
async fn what_an_image_can_do_is_asked_anew_after_a_while() {
    let world = world(&[]).await;
    let server = world.start().await;
    let can = async || server.control.image("linux_latest").await.unwrap().capabilities.clone();
    assert_eq!(can().await, [Capability::Shell]);
    world.runtime.set_images(vec![image("linux_latest", &[Capability::Shell, Capability::Browser])]);
    assert_eq!(can().await, [Capability::Shell]);
    world.clock.advance(world.config.timings.image_recheck);
    assert_eq!(can().await, [Capability::Shell, Capability::Browser]);
}
