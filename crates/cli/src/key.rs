//! `roadstead key`: API keys and their tenants.

use crate::failure::Failure;
use crate::output;
use roadstead_sdk::AgentBay;
use roadstead_sdk::native::NewKey;

/// Create, list and revoke API keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key and print it; it is shown this once.
    Create {
        /// Tenant, made when there is none of that name [default: the tenant of the key in use].
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// What to call the key.
        #[arg(long, value_name = "NAME", default_value = "unnamed")]
        name: String,
        /// Let it manage keys and the server.
        #[arg(long)]
        admin: bool,
    },
    /// List keys.
    Ls,
    /// Revoke a key: from then on it opens nothing.
    Revoke {
        /// Its id, `key-…`, as `ls` shows it.
        id: String,
    },
}

pub(crate) async fn run(command: KeyCommand, client: &AgentBay, json: bool) -> Result<(), Failure> {
    let native = client.native();
    match command {
        KeyCommand::Create { tenant, name, admin } => {
            let mut wanted = NewKey::default();
            (wanted.tenant, wanted.name, wanted.admin) = (tenant, name, admin);
            let key = native.create_key(&wanted).await?;
            if json {
                return output::json(&key);
            }
            output::line(&key.text);
            output::remark(format!("created {} for tenant {}; the line above is shown this once", key.info.id, key.info.tenant));
        }
        KeyCommand::Ls => {
            let keys = native.keys().await?;
            if json {
                return output::json(&keys);
            }
            let rows = keys.into_iter().map(|key| {
                let rights = if key.admin { "admin" } else { "" };
                let state = if key.revoked_at.is_some() { "revoked" } else { "active" };
                [key.id, key.tenant, key.name, rights.to_owned(), state.to_owned(), key.created_at.unwrap_or_default()]
            });
            output::line(output::table(["ID", "TENANT", "NAME", "RIGHTS", "STATE", "CREATED"], &rows.collect::<Vec<_>>()));
        }
        KeyCommand::Revoke { id } => {
            native.revoke_key(&id).await?;
            if json {
                return output::json(&serde_json::json!({"revoked": id}));
            }
            output::line(id);
        }
    }
    Ok(())
}
