//! Actions about contexts.

use crate::dialect::agentbay::encode;
use crate::dialect::agentbay::envelope::{Answer, Paging};
use crate::dialect::vendor::contexts::{Contexts, Names};
use crate::dialect::vendor::{CONTEXTS, Call, Refusal};
use crate::links::file::FileUrl;
use control::SessionView;
use serde_json::{Value, json};
use types::ContextId;

/// How the names of the contexts begin that Python 0.9–0.12 makes before each session, to move files through.
const TRANSFER: &str = "file-transfer-context-";
/// Where these SDKs put it: 0.9–0.11, then 0.12.
pub(in crate::dialect::agentbay) const TRANSFER_PATHS: [&str; 2] = ["/temp/file-transfer", "/tmp/file-transfer"];

const NAMES: Names = Names {
    wanted: "ContextId",
    id: "Id",
    name: "Name",
    allow_create: "AllowCreate",
    max_results: "MaxResults",
    next_token: "NextToken",
    context: "ContextId",
    path: "FilePath",
    folder: "ParentFolderPath",
    page_number: "PageNumber",
    page_size: "PageSize",
};

/// `GetContext`: by id, or by name and then made when that is asked for.
pub(super) async fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::data(encode::context(&contexts(call).get().await?)))
}

/// `ListContexts`.
pub(super) async fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (page, limit) = contexts(call).list().await?;
    let rows = page.contexts.iter().map(encode::context).collect();
    let paging = Paging { next_token: page.next_cursor.unwrap_or_default(), max_results: limit.into(), total_count: page.total };
    Ok(Answer::page(rows, paging))
}

/// `ModifyContext`: another name.
pub(super) async fn rename(call: &Call<'_>) -> Result<Answer, Refusal> {
    contexts(call).rename().await?;
    Ok(Answer::empty())
}

/// `DeleteContext`.
pub(super) async fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    contexts(call).delete().await?;
    Ok(Answer::empty())
}

/// `ClearContext`.
pub(super) async fn clear(call: &Call<'_>) -> Result<Answer, Refusal> {
    contexts(call).clear().await?;
    Ok(Answer::empty())
}

/// `DescribeContextFiles`: by page number, or by token.
pub(super) async fn files(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (page, limit) = contexts(call).files().await?;
    let rows = page.entries.iter().map(encode::entry).collect();
    let paging = Paging { next_token: page.next_cursor.unwrap_or_default(), max_results: limit.into(), total_count: page.total };
    Ok(Answer::page(rows, paging))
}

/// `GetContextFileUploadUrl`.
pub(super) async fn upload_url(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(url(contexts(call).upload_url().await?))
}

/// `GetContextFileDownloadUrl`.
pub(super) async fn download_url(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(url(contexts(call).download_url().await?))
}

/// `DeleteContextFile`.
pub(super) async fn delete_file(call: &Call<'_>) -> Result<Answer, Refusal> {
    contexts(call).delete_file().await?;
    Ok(Answer::empty())
}

/// `GetContextInfo`: nothing is synchronised yet, so nothing is under way. Several SDKs ask after each create.
pub(super) async fn status(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.view().await?;
    Ok(Answer::data(json!({ "ContextStatus": "[]" })))
}

/// The session's contexts as `GetSession` lists them. SDKs that made one to move files through look for it there.
pub(super) async fn listed(call: &Call<'_>, view: &SessionView) -> Value {
    let name = view.client.transfer_context.as_str();
    if name.is_empty() {
        return json!([]);
    }
    match call.app.control.contexts(call.cx).called(name).await {
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
    let unsupported = || Refusal::unsupported("PersistenceDataList", CONTEXTS);
    let id: ContextId = id.parse().map_err(|_| unsupported())?;
    let found = contexts(call).found(&id).await?;
    if found.name.starts_with(TRANSFER) { Ok(found.name) } else { Err(unsupported()) }
}

fn contexts<'a>(call: &'a Call<'a>) -> Contexts<'a> {
    Contexts::new(call, &NAMES)
}

fn url(found: FileUrl) -> Answer {
    Answer::data(json!({ "Url": found.url, "ExpireTime": found.expires }))
}
