//! Making, finding, labelling and ending sessions.

use crate::bench::{Bench, refused, scenarios};
use anyhow::{Result, ensure};
use roadstead_sdk::{AgentBay, CreateSessionParams, Error, ListParams, SessionStatus};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

scenarios! {
    "session-create-delete" => create_delete,
    "session-image-labels" => image_labels,
    "session-image-unknown" => image_unknown,
    "session-delete-twice" => delete_twice,
    "session-list-labels" => list_labels,
    "session-list-pages" => list_pages,
    "session-list-cursor" => list_cursor,
    "session-list-past-end" => list_past_end,
    "session-labels" => labels,
    "session-labels-refused" => labels_refused,
    "session-get" => get,
    "session-status" => status,
    "session-info" => info,
    "session-info-released" => info_released,
    "session-foreign-call" => call_after_delete,
    "session-keep-alive" => keep_alive,
    "session-wrong-key" => wrong_key,
}

async fn create_delete(bench: &Bench) -> Result<()> {
    let created = bench.client.create(CreateSessionParams::new()).await?;
    ensure!(!created.request_id.is_empty(), "no request id");
    let session = created.into_value();
    ensure!(bench.exists(session.id()).await?);
    ensure!(session.command().run("id -un").await?.stdout == "wuying\n");
    bench.client.delete(&session).await?;
    ensure!(!bench.exists(session.id()).await?, "it is still there");
    Ok(())
}

async fn image_labels(bench: &Bench) -> Result<()> {
    let session = bench.create(bench.params().image("linux_latest").label("colour", "dunkelgrün")).await?;
    let labels = serde_json::json!({ "conformance": bench.column, "colour": "dunkelgrün" }).to_string();
    let seen = bench.plain.ok("ListSession", &[("Labels", &labels)]).await?;
    ensure!(seen["Data"][0]["SessionId"] == session.id() && seen["Data"][0]["ImageId"] == "linux_latest", "{seen}");
    Ok(())
}

async fn image_unknown(bench: &Bench) -> Result<()> {
    refused(bench.client.create(bench.params().image("no_such_image")).await, "no_such_image")?;
    Ok(())
}

async fn delete_twice(bench: &Bench) -> Result<()> {
    let session = bench.create(bench.params()).await?;
    session.delete().await?;
    let began = Instant::now();
    let error = session.delete().await;
    ensure!(matches!(error, Err(Error::NotFound(_))), "{error:?}");
    ensure!(began.elapsed() < Duration::from_secs(20));
    Ok(())
}

async fn list_labels(bench: &Bench) -> Result<()> {
    let mut even = Vec::new();
    for n in ["even", "odd", "even"] {
        let session = bench.create(bench.params().label("list", "1").label("n", n)).await?;
        even.extend((n == "even").then(|| session.id().to_owned()));
    }
    let params = |n| ListParams::new().label("conformance", &bench.column).label("list", "1").label("n", n);
    let found = bench.client.list(params("even")).await?;
    let (mut ids, mut wanted) = (found.session_ids(), even.iter().map(String::as_str).collect::<Vec<_>>());
    ids.sort_unstable();
    wanted.sort_unstable();
    ensure!(ids == wanted && found.total_count == 2, "{found:?}");
    ensure!(bench.client.list(params("none")).await?.sessions.is_empty());
    Ok(())
}

async fn five(bench: &Bench, label: &str) -> Result<Vec<String>> {
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(bench.create(bench.params().label(label, "1")).await?.id().to_owned());
    }
    made.sort();
    Ok(made)
}

async fn list_pages(bench: &Bench) -> Result<()> {
    let made = five(bench, "pages").await?;
    let mut seen = Vec::new();
    for (page, count) in [(1, 2), (2, 2), (3, 1)] {
        let found = bench.client.list_page([("conformance", bench.column.as_str()), ("pages", "1")], page, 2).await?;
        ensure!(found.sessions.len() == count && found.total_count == 5, "page {page}: {found:?}");
        seen.extend(found.session_ids().into_iter().map(str::to_owned));
    }
    seen.sort();
    ensure!(seen == made, "{seen:?}");
    Ok(())
}

async fn list_cursor(bench: &Bench) -> Result<()> {
    let made = five(bench, "cursor").await?;
    let (mut seen, mut token, mut rounds) = (Vec::new(), None::<String>, 0);
    loop {
        let params = ListParams::new().label("conformance", &bench.column).label("cursor", "1").limit(2);
        let found = bench.client.list(if let Some(token) = token { params.next_token(token) } else { params }).await?;
        seen.extend(found.session_ids().into_iter().map(str::to_owned));
        rounds += 1;
        token = found.into_value().next_token;
        if token.is_none() {
            break;
        }
        ensure!(rounds < 5, "it goes on for ever");
    }
    seen.sort();
    ensure!(rounds == 3 && seen == made, "{rounds} rounds: {seen:?}");
    Ok(())
}

async fn list_past_end(bench: &Bench) -> Result<()> {
    bench.create(bench.params().label("past", "1")).await?;
    let past = bench.client.list_page([("conformance", bench.column.as_str()), ("past", "1")], 3, 2).await;
    ensure!(matches!(past, Err(Error::PageOutOfRange { .. })), "{past:?}");
    Ok(())
}

async fn labels(bench: &Bench) -> Result<()> {
    let session = bench.create(bench.params().label("first", "1")).await?;
    let wanted: BTreeMap<String, String> =
        [("owner", "tester"), ("größe", "XL 漢字"), ("conformance", &bench.column)].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    session.set_labels(wanted.clone()).await?;
    ensure!(session.labels().await?.value == wanted);
    let stored = bench.plain.ok("GetLabel", &[("SessionId", session.id())]).await?;
    let stored: BTreeMap<String, String> = serde_json::from_str(stored["Data"]["Labels"].as_str().unwrap_or_default())?;
    ensure!(stored == wanted, "{stored:?}");
    Ok(())
}

async fn labels_refused(bench: &Bench) -> Result<()> {
    let session = bench.create(bench.params().label("kept", "1")).await?;
    let before = session.labels().await?.into_value();
    for wrong in [vec![], vec![("", "value")], vec![("key", "")]] {
        ensure!(session.set_labels(wrong.clone()).await.is_err(), "{wrong:?} was taken");
    }
    ensure!(session.labels().await?.value == before);
    Ok(())
}

async fn get(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("get").await?;
    bench.sh(&session, &format!("echo here > {folder}/mark")).await?;
    let again = bench.client.get(session.id()).await?;
    ensure!(again.command().run(format!("cat {folder}/mark")).await?.stdout == "here\n");
    let unknown = bench.client.get("session-0000000000000000").await;
    ensure!(matches!(unknown, Err(Error::NotFound(_))), "{:?}", unknown.err());
    Ok(())
}

async fn status(bench: &Bench) -> Result<()> {
    let status = bench.session().await?.status().await?.into_value();
    ensure!(status == SessionStatus::Running, "{status:?}");
    Ok(())
}

async fn info(bench: &Bench) -> Result<()> {
    let session = bench.session().await?;
    let info = session.info().await?;
    ensure!(info.session_id == session.id() && !info.auth_code.is_empty() && !info.ticket.is_empty(), "{info:?}");
    let (code, page) = bench.plain.fetch(&info.resource_url).await?;
    ensure!(code == 200 && page.contains(session.id()), "{code}");
    Ok(())
}

async fn info_released(bench: &Bench) -> Result<()> {
    let session = bench.create(bench.params()).await?;
    session.delete().await?;
    let info = session.info().await;
    ensure!(matches!(info, Err(Error::NotFound(_))), "{info:?}");
    Ok(())
}

async fn call_after_delete(bench: &Bench) -> Result<()> {
    let session = bench.create(bench.params()).await?;
    session.delete().await?;
    let ran = session.command().run("echo still here").await;
    // On the direct route it is a failure of the tool, as every SDK gets it.
    let says_so = match &ran {
        Err(Error::NotFound(_)) => true,
        Err(error) => error.to_string().contains("session not found"),
        Ok(_) => false,
    };
    ensure!(says_so, "{ran:?}");
    Ok(())
}

async fn keep_alive(bench: &Bench) -> Result<()> {
    let session = bench.create(bench.params()).await?;
    session.keep_alive().await?;
    ensure!(bench.exists(session.id()).await?);
    session.delete().await?;
    ensure!(session.keep_alive().await.is_err(), "it claims to keep a deleted session");
    Ok(())
}

async fn wrong_key(bench: &Bench) -> Result<()> {
    let stranger = AgentBay::new("akm-not-a-key-of-this-server")?;
    let error = refused(stranger.create(bench.params().label("wrong", "key")).await, "key")?;
    ensure!(matches!(error, Error::Authentication(_)), "{error:?}");
    let labels = serde_json::json!({ "conformance": bench.column, "wrong": "key" }).to_string();
    let seen = bench.plain.ok("ListSession", &[("Labels", &labels)]).await?;
    ensure!(seen["Data"].as_array().is_some_and(Vec::is_empty), "{seen}");
    Ok(())
}
