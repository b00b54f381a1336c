//! The one context that sessions have: what the Python SDKs 0.9–0.12 make before each session, to move files through.
//!
//! They fail without it before they have done anything, whether files are to be moved or not. It holds no data here, and
//! every action that would use it says so.

use crate::dialect::agentbay::envelope::Answer;
use crate::dialect::vendor::{CONTEXTS, Call, Refusal};
use control::SessionView;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use types::TenantId;

/// How its names begin.
const NAME: &str = "file-transfer-context-";
/// How its ids begin.
const ID: &str = "SdkCtx-";
/// Where the SDKs put it: 0.9–0.11, then 0.12.
pub(in crate::dialect::agentbay) const PATHS: [&str; 2] = ["/temp/file-transfer", "/tmp/file-transfer"];
/// Longest name.
const MAX_NAME: usize = 64;

/// `GetContext`. A name has one id, so that asking twice is the same context.
pub(super) async fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let name = call.params.text("Name").unwrap_or_default();
    if !is_name(name) || !call.params.flag("AllowCreate")? {
        return Err(Refusal::not_offered("GetContext", CONTEXTS));
    }
    let now = call.app.clock.now().to_string();
    Ok(Answer::data(json!({
        "Id": id(&call.cx.identity.tenant, name),
        "Name": name,
        "State": "available",
        "OsType": "linux",
        "CreateTime": now,
        "LastUsedTime": now,
    })))
}

/// `GetContextInfo`: nothing is synchronised yet, so nothing is under way. Several SDKs ask after each create.
pub(super) async fn status(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.view().await?;
    Ok(Answer::data(json!({ "ContextStatus": "[]" })))
}

/// The session's contexts as `GetSession` lists them.
pub(super) fn listed(view: &SessionView, tenant: &TenantId) -> Value {
    match view.client.transfer_context.as_str() {
        "" => json!([]),
        name => json!([{ "id": id(tenant, name), "name": name }]),
    }
}

/// The name of the tenant's context that has this id.
pub(in crate::dialect::agentbay) fn name_of(tenant: &TenantId, text: &str) -> Option<String> {
    let (name, _) = text.strip_prefix(ID)?.rsplit_once('-')?;
    (is_name(name) && id(tenant, name) == text).then(|| name.to_owned())
}

fn is_name(name: &str) -> bool {
    name.strip_prefix(NAME).is_some_and(|rest| !rest.is_empty()) && name.len() <= MAX_NAME && name.chars().all(|c| c.is_ascii_graphic())
}

/// The name and what proves it to be this tenant's.
pub(in crate::dialect::agentbay) fn id(tenant: &TenantId, name: &str) -> String {
    let hash = Sha256::new().chain_update(tenant.as_str()).chain_update([0]).chain_update(name).finalize();
    format!("{ID}{name}-{}", data_encoding::BASE32_DNSSEC.encode(&hash[..10]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_context_to_its_tenant_alone() {
        let (ours, theirs): (TenantId, TenantId) = ("tenant-a234567a234567".parse().unwrap(), "tenant-b234567a234567".parse().unwrap());
        let name = "file-transfer-context-1732170000";
        let ours_id = id(&ours, name);
        assert_eq!(name_of(&ours, &ours_id).as_deref(), Some(name));
        assert_eq!(name_of(&theirs, &ours_id), None);
        for bad in ["", "SdkCtx-", "SdkCtx-mine-aaaa", "SdkCtx-file-transfer-context-1", &ours_id[..ours_id.len() - 1]] {
            assert_eq!(name_of(&ours, bad), None, "{bad}");
        }
    }
}
