//! Contexts without sessions.

use crate::bench::{Bench, refused as must_refuse, scenarios};
use anyhow::{Context, Result, ensure};
use roadstead_sdk::{ContextState, Contexts};

scenarios! {
    "context-life" => life,
    "context-files" => files,
    "context-clear" => clear,
    "context-pages" => pages,
    "context-refused" => refused,
}

impl Bench {
    fn context_name(&self, name: &str) -> String {
        format!("conformance-{name}-{}", self.column)
    }

    /// A context of the scenario's own, removed by the plain protocol whatever came of it.
    async fn with_context(&self, name: &str, work: impl AsyncFnOnce(&Contexts, &str) -> Result<()>) -> Result<()> {
        let contexts = self.client.contexts();
        let id = contexts.create(&self.context_name(name)).await?.into_value().id;
        let ended = work(&contexts, &id).await;
        let _ = self.plain.ask("DeleteContext", &[("Id", &id)]).await;
        ended
    }

    /// What the server lists: paths and sizes.
    async fn listed(&self, id: &str, folder: &str) -> Result<Vec<(String, u64)>> {
        let body = self.plain.ok("DescribeContextFiles", &[("ContextId", id), ("ParentFolderPath", folder)]).await?;
        let rows = body["Data"].as_array().context("no rows")?.iter();
        rows.map(|row| Ok((row["FilePath"].as_str().context("no path")?.to_owned(), row["Size"].as_u64().context("no size")?))).collect()
    }
}

async fn life(bench: &Bench) -> Result<()> {
    bench
        .with_context("life", async |contexts, id| {
            let name = bench.context_name("life");
            let found = contexts.get(&name).await?;
            ensure!(found.id == id && found.state == ContextState::Available, "{found:?}");
            ensure!(contexts.list(10, None).await?.contexts.iter().any(|entry| entry.id == id), "the list lacks it");
            contexts.rename(id, &format!("{name}-renamed")).await?;
            let body = bench.plain.ok("GetContext", &[("Name", &format!("{name}-renamed"))]).await?;
            ensure!(body["Data"]["Id"] == id, "{body}");
            contexts.delete(id).await?;
            ensure!(bench.plain.ask("GetContext", &[("ContextId", id)]).await?.status == 404, "it is still there");
            Ok(())
        })
        .await
}

async fn files(bench: &Bench) -> Result<()> {
    let data: Vec<u8> = (0..1_200_000_u32).map(|n| (n.wrapping_mul(31) >> 3) as u8).collect();
    bench
        .with_context("files", async |contexts, id| {
            let path = "/tmp/dir/a b ü.bin";
            contexts.put(id, path, data.clone()).await?;
            contexts.put(id, "/tmp/dir/empty", "").await?;
            let listed = bench.listed(id, "/tmp/dir").await?;
            ensure!(listed == [(path.to_owned(), 1_200_000), ("/tmp/dir/empty".to_owned(), 0)], "{listed:?}");
            let page = contexts.files(id, "/tmp/dir", 1, 50).await?;
            ensure!(page.total_count == 2 && page.entries[0].name == "a b ü.bin" && page.entries[0].size == 1_200_000, "{page:?}");
            ensure!(contexts.read(id, path).await? == data, "other bytes");
            contexts.delete_file(id, path).await?;
            let left = bench.listed(id, "/tmp/dir").await?;
            ensure!(left == [("/tmp/dir/empty".to_owned(), 0)], "{left:?}");
            Ok(())
        })
        .await
}

async fn clear(bench: &Bench) -> Result<()> {
    bench
        .with_context("clear", async |contexts, id| {
            for n in 0..3 {
                contexts.put(id, &format!("/tmp/{n}"), "x").await?;
            }
            contexts.clear(id).await?;
            ensure!(bench.listed(id, "/tmp").await?.is_empty(), "not empty");
            contexts.put(id, "/tmp/new", "new").await?;
            let again = bench.listed(id, "/tmp").await?;
            ensure!(again == [("/tmp/new".to_owned(), 3)], "{again:?}");
            Ok(())
        })
        .await
}

async fn pages(bench: &Bench) -> Result<()> {
    let contexts = bench.client.contexts();
    let mut wanted = Vec::new();
    for n in 0..5 {
        wanted.push(contexts.create(&bench.context_name(&format!("page-{n}"))).await?.into_value().id);
    }
    let mut seen = Vec::new();
    let mut token = None;
    loop {
        let page = contexts.list(2, token.as_deref()).await?.into_value();
        ensure!(page.contexts.len() <= 2, "{} on a page", page.contexts.len());
        seen.extend(page.contexts.into_iter().map(|entry| entry.id));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    for id in &wanted {
        contexts.delete(id).await?;
        ensure!(seen.iter().filter(|other| *other == id).count() == 1, "{id} in {seen:?}");
    }
    Ok(())
}

async fn refused(bench: &Bench) -> Result<()> {
    let missing = bench.context_name("none");
    must_refuse(bench.client.contexts().get(&missing).await, &missing)?;
    let mut former = String::new();
    let kept = &mut former;
    bench
        .with_context("refused", async move |contexts, id| {
            id.clone_into(kept);
            for path in ["../outside", "/tmp/../../outside"] {
                must_refuse(contexts.upload_url(id, path).await, "..")?;
            }
            must_refuse(contexts.download_url(id, "/tmp/none").await, "/tmp/none")?;
            Ok(())
        })
        .await?;
    must_refuse(bench.client.contexts().upload_url(&former, "/tmp/x").await, &former)?;
    Ok(())
}
