//! Actions about contexts.

use super::Call;
use crate::dialect::agentbay::encode;
use crate::dialect::agentbay::envelope::{Answer, Paging};
use crate::dialect::agentbay::params::{Params, shown};
use crate::dialect::agentbay::rescue::{Refusal, Subject};
use crate::links::file::{self, FileUrl};
use control::{Contexts, FilesPart, SessionView};
use serde_json::{Value, json};
use types::{ContextId, Fault};

/// How the names of the contexts begin that Python 0.9–0.12 makes before each session, to move files through.
const TRANSFER: &str = "file-transfer-context-";
/// Where these SDKs put it: 0.9–0.11, then 0.12.
pub(in crate::dialect::agentbay) const TRANSFER_PATHS: [&str; 2] = ["/temp/file-transfer", "/tmp/file-transfer"];
/// Contexts on a page when the client names no number.
const DEFAULT_PAGE: u64 = 10;
/// Files on a page when the client names no number.
const DEFAULT_FILES: u64 = 50;

/// `GetContext`: by id, or by name and then made when that is asked for.
pub(super) async fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (contexts, create) = (contexts(call), call.params.flag("AllowCreate")?);
    if call.params.text("ContextId").is_some() {
        let id = id(call.params, "ContextId")?;
        return Ok(Answer::data(encode::context(&ask(call, contexts.get(&id)).await?)));
    }
    let name = call.params.required("Name")?;
    let found = ask(call, async {
        if create {
            return Ok(contexts.get_or_create(name).await?.0);
        }
        let missing = || Fault::not_found(format!("this tenant has no context named {:?}; AllowCreate makes one", shown(name)));
        contexts.called(name).await?.ok_or_else(missing)
    });
    Ok(Answer::data(encode::context(&found.await?)))
}

/// `ListContexts`.
pub(super) async fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let limit = page_size(call.params, "MaxResults", DEFAULT_PAGE)?;
    let page = ask(call, contexts(call).list(limit, call.params.text("NextToken"))).await?;
    let rows = page.contexts.iter().map(encode::context).collect();
    let paging = Paging { next_token: page.next_cursor.unwrap_or_default(), max_results: limit.into(), total_count: page.total };
    Ok(Answer::page(rows, paging))
}

/// `ModifyContext`: another name.
pub(super) async fn rename(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (id, name) = (id(call.params, "Id")?, call.params.required("Name")?);
    ask(call, contexts(call).rename(&id, name)).await?;
    Ok(Answer::empty())
}

/// `DeleteContext`.
pub(super) async fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = id(call.params, "Id")?;
    ask(call, contexts(call).delete(&id)).await?;
    Ok(Answer::empty())
}

/// `ClearContext`: SDKs then ask by `GetContext` until the state is `available`.
pub(super) async fn clear(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = id(call.params, "Id")?;
    ask(call, contexts(call).clear(&id)).await?;
    Ok(Answer::empty())
}

/// `DescribeContextFiles`: by page number, or by token.
pub(super) async fn files(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = id(call.params, "ContextId")?;
    let by_token = call.params.text("NextToken").is_some() || call.params.text("MaxResults").is_some();
    let (part, limit) = if by_token {
        let limit = page_size(call.params, "MaxResults", DEFAULT_FILES)?;
        (FilesPart::After { cursor: call.params.text("NextToken").map(str::to_owned), limit }, limit)
    } else {
        let size = page_size(call.params, "PageSize", DEFAULT_FILES)?;
        (FilesPart::Page { number: call.params.number("PageNumber")?.unwrap_or(1), size }, size)
    };
    let folder = call.params.text("ParentFolderPath").unwrap_or_default();
    let page = ask(call, contexts(call).files(&id, folder, part)).await?;
    let rows = page.entries.iter().map(encode::entry).collect();
    let paging = Paging { next_token: page.next_cursor.unwrap_or_default(), max_results: limit.into(), total_count: page.total };
    Ok(Answer::page(rows, paging))
}

/// `GetContextFileUploadUrl`.
pub(super) async fn upload_url(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (id, path) = (id(call.params, "ContextId")?, call.params.required("FilePath")?);
    Ok(url(ask(call, file::upload_url(call.app, call.cx, &id, path)).await?))
}

/// `GetContextFileDownloadUrl`.
pub(super) async fn download_url(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (id, path) = (id(call.params, "ContextId")?, call.params.required("FilePath")?);
    Ok(url(ask(call, file::download_url(call.app, call.cx, &id, path)).await?))
}

/// `DeleteContextFile`.
pub(super) async fn delete_file(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (id, path) = (id(call.params, "ContextId")?, call.params.required("FilePath")?);
    let path = types::ContextPath::file(path).map_err(|error| Refusal::invalid("FilePath", format!("is refused: {error}")))?;
    ask(call, contexts(call).delete_file(&id, &path)).await?;
    Ok(Answer::empty())
}

/// `GetContextInfo`: nothing is synchronised yet, so nothing is under way. Several SDKs ask after each create.
pub(super) async fn status(call: &Call<'_>) -> Result<Answer, Refusal> {
    super::session::view(call).await?;
    Ok(Answer::data(json!({ "ContextStatus": "[]" })))
}

/// The session's contexts as `GetSession` lists them. SDKs that made one to move files through look for it there.
pub(super) async fn listed(call: &Call<'_>, view: &SessionView) -> Value {
    let name = view.client.transfer_context.as_str();
    if name.is_empty() {
        return json!([]);
    }
    match contexts(call).called(name).await {
        Ok(Some(found)) => json!([{ "id": found.id, "name": found.name }]),
        Ok(None) => json!([]),
        // Without the list SDKs still work.
        Err(fault) => {
            call.trail.fault(&fault);
            json!([])
        }
    }
}

/// The name of the caller's context with this id, if it is one of those that are made to move files through.
pub(super) async fn transfer_context(call: &Call<'_>, id: &str) -> Result<String, Refusal> {
    let unsupported = || Refusal::unsupported("PersistenceDataList", "synchronisation of contexts with sessions");
    let id: ContextId = id.parse().map_err(|_| unsupported())?;
    let found = ask(call, contexts(call).get(&id)).await?;
    if found.name.starts_with(TRANSFER) { Ok(found.name) } else { Err(unsupported()) }
}

fn contexts<'a>(call: &Call<'a>) -> Contexts<'a> {
    call.app.control.contexts(call.cx)
}

async fn ask<T>(call: &Call<'_>, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Refusal> {
    call.ask_soon(Subject::Other, work).await
}

/// An id; a text that no context can have names none.
fn id(params: &Params, name: &'static str) -> Result<ContextId, Refusal> {
    let text = params.required(name)?;
    text.parse().map_err(|_| {
        let fault = Fault::not_found(format!("context {:?} was not found: it does not exist or has been deleted", shown(text)));
        Refusal::from_fault(&fault, Subject::Other)
    })
}

fn page_size(params: &Params, name: &'static str, default: u64) -> Result<u32, Refusal> {
    let size = params.number(name)?.unwrap_or(default);
    u32::try_from(size).map_err(|_| Refusal::invalid(name, format!("is too large: {size}")))
}

fn url(found: FileUrl) -> Answer {
    Answer::data(json!({ "Url": found.url, "ExpireTime": found.expires }))
}
