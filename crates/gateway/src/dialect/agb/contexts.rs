//! What is behind the endpoints about contexts, with all parameters in the query.

use super::encode;
use super::envelope::{Answer, Paging};
use crate::dialect::vendor::contexts::{Contexts, Names};
use crate::dialect::vendor::{Call, Refusal};
use crate::links::file::FileUrl;
use serde_json::json;

const NAMES: Names = Names {
    wanted: "id",
    id: "id",
    name: "name",
    allow_create: "allowCreate",
    max_results: "maxResults",
    next_token: "nextToken",
    context: "contextId",
    path: "filePath",
    folder: "parentFolderPath",
    page_number: "pageNumber",
    page_size: "pageSize",
};

/// `/sdk/GetContext`: by id, or by name and then made when that is asked for.
pub(super) async fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::data(encode::context(&contexts(call).get().await?)))
}

/// `/sdk/ListContexts`.
pub(super) async fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (page, limit) = contexts(call).list().await?;
    let rows = page.contexts.iter().map(encode::context).collect();
    Ok(Answer::page(rows, Paging { next_token: page.next_cursor.unwrap_or_default(), max_results: limit, count: page.total }))
}

/// `/sdk/ModifyContext`: another name.
pub(super) async fn rename(call: &Call<'_>) -> Result<(), Refusal> {
    contexts(call).rename().await
}

/// `/sdk/DeleteContext`.
pub(super) async fn delete(call: &Call<'_>) -> Result<(), Refusal> {
    contexts(call).delete().await
}

/// `/sdk/ClearContext`.
pub(super) async fn clear(call: &Call<'_>) -> Result<(), Refusal> {
    contexts(call).clear().await
}

/// `/sdk/DescribeContextFiles`.
pub(super) async fn files(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (page, limit) = contexts(call).files().await?;
    let rows = page.entries.iter().map(encode::entry).collect();
    Ok(Answer::page(rows, Paging { next_token: page.next_cursor.unwrap_or_default(), max_results: limit, count: page.total }))
}

/// `/sdk/GetContextFileUploadUrl`.
pub(super) async fn upload_url(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(url(contexts(call).upload_url().await?))
}

/// `/sdk/GetContextFileDownloadUrl`.
pub(super) async fn download_url(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(url(contexts(call).download_url().await?))
}

/// `/sdk/DeleteContextFile`.
pub(super) async fn delete_file(call: &Call<'_>) -> Result<(), Refusal> {
    contexts(call).delete_file().await
}

fn contexts<'a>(call: &'a Call<'a>) -> Contexts<'a> {
    Contexts::new(call, &NAMES)
}

fn url(found: FileUrl) -> Answer {
    Answer::data(json!({ "url": found.url, "expireTime": found.expires }))
}
