//! `roadstead env`: what the SDKs of every dialect need in their environment.

mod java;

pub(crate) use java::PASSWORD;

use crate::failure::Failure;
use crate::output;
use crate::profile::{Environment, Profile, set};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A region beats an endpoint in newer official SDKs: left in place, they would talk to the hosted service.
const REGION: &str = "AGENTBAY_REGION_ID";
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const LOOPBACK: [&str; 2] = ["localhost", "127.0.0.1"];

/// Print shell exports for every SDK, or run a command with them.
#[derive(Debug, clap::Args)]
pub(crate) struct EnvArgs {
    /// Run this with the variables set, instead of printing them.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What to change in an environment.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    exports: Vec<(&'static str, String)>,
    unset: Vec<&'static str>,
    warnings: Vec<String>,
}

pub(crate) fn run(args: EnvArgs, data_dir: &Path, json: bool, environment: Environment<'_>) -> Result<(), Failure> {
    let changes = changes(&Profile::load(data_dir)?, environment)?;
    for warning in &changes.warnings {
        output::remark(warning);
    }
    match args.command.split_first() {
        Some((program, arguments)) => Err(replace_by(program, arguments, &changes)),
        None if json => output::json(&object(&changes)),
        None => {
            output::line(script(&changes));
            Ok(())
        }
    }
}

fn changes(profile: &Profile, environment: Environment<'_>) -> Result<Changes, Failure> {
    let server = &profile.server;
    let key = profile.key_to_export(environment)?;
    let bundle = server
        .ca_bundle
        .to_str()
        .ok_or_else(|| Failure::new(format!("the path {} is not UTF-8 and cannot be exported", server.ca_bundle.display())))?;
    let mut changes = Changes {
        exports: vec![
            ("AGENTBAY_ENDPOINT", server.endpoint.clone()),
            ("AGENTBAY_API_KEY", key.clone()),
            ("AGB_ENDPOINT", format!("https://{}", server.endpoint)),
            ("AGB_API_KEY", key),
            ("SSL_CERT_FILE", bundle.to_owned()),
            ("REQUESTS_CA_BUNDLE", bundle.to_owned()),
            // Where it is set, curl heeds it and not SSL_CERT_FILE.
            ("CURL_CA_BUNDLE", bundle.to_owned()),
            ("NODE_EXTRA_CA_CERTS", bundle.to_owned()),
        ],
        ..Changes::default()
    };
    if let Some(store) = server.trust_store.as_deref().and_then(Path::to_str) {
        let before = set(environment, java::VARIABLE).unwrap_or_default();
        let (options, replaced) = java::options(&before, store);
        changes.exports.push((java::VARIABLE, options));
        if let Some(other) = replaced {
            changes.warnings.push(format!("{} named the trust store {other}, which Java programs no longer use", java::VARIABLE));
        }
    }
    if !profile.is_running() {
        changes.warnings.push(format!("the server (pid {}) is gone; start it again with `make run` or `roadstead serve`", server.pid));
    }
    if let Some(region) = set(environment, REGION) {
        changes.unset.push(REGION);
        changes
            .warnings
            .push(format!("{REGION} was `{region}` and is unset: newer official SDKs would go to that region instead of this server"));
    }
    if let Some(proxy) = PROXIES.into_iter().find(|name| set(environment, name).is_some()) {
        for name in ["NO_PROXY", "no_proxy"] {
            changes.exports.push((name, without_proxy(environment)));
        }
        changes.warnings.push(format!(
            "{proxy} is set, and AgentBay's Python SDK ignores NO_PROXY: its calls to this server would go to the proxy; unset {proxy} for it"
        ));
    }
    Ok(changes)
}

/// The hosts that need no proxy: those named so far, and this machine.
fn without_proxy(environment: Environment<'_>) -> String {
    let named = set(environment, "no_proxy").or_else(|| set(environment, "NO_PROXY")).unwrap_or_default();
    let mut hosts: Vec<&str> = named.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    for host in LOOPBACK {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts.join(",")
}

/// Each variable with its value, none for one that is to be unset.
fn object(changes: &Changes) -> BTreeMap<&str, Option<&str>> {
    let unset = changes.unset.iter().map(|name| (*name, None));
    unset.chain(changes.exports.iter().map(|(name, value)| (*name, Some(value.as_str())))).collect()
}

fn script(changes: &Changes) -> String {
    let unset = changes.unset.iter().map(|name| format!("unset {name}"));
    let exports = changes.exports.iter().map(|(name, value)| format!("export {name}={}", quote(value)));
    unset.chain(exports).collect::<Vec<_>>().join("\n")
}

/// Becomes the command; comes back only when that fails.
fn replace_by(program: &OsString, arguments: &[OsString], changes: &Changes) -> Failure {
    let mut command = Command::new(program);
    command.args(arguments).envs(changes.exports.iter().map(|(name, value)| (name, value)));
    for name in &changes.unset {
        command.env_remove(name);
    }
    let error = command.exec();
    Failure::new(format!("running {} failed: {error}", program.to_string_lossy()))
}

/// `text` as one word for a POSIX shell; bare when it needs no quotes.
pub(crate) fn quote(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TempDir, variables};

    fn changed(pairs: &[(&str, &str)]) -> Changes {
        changed_by_server(std::process::id(), pairs)
    }

    fn changed_by_server(pid: u32, pairs: &[(&str, &str)]) -> Changes {
        let dir = TempDir::new();
        let server = serde_json::json!({"instance": "i", "pid": pid, "endpoint": "localhost:8443", "https": "https://localhost:8443",
            "http": null, "links": "https://localhost:8444", "ca_bundle": "/data dir/it's.pem", "trust_store": "/data/t.p12"});
        std::fs::write(dir.path().join("server.json"), server.to_string()).unwrap();
        std::fs::write(dir.path().join("key"), "akm-1\n").unwrap();
        changes(&Profile::load(dir.path()).unwrap(), &variables(pairs)).unwrap()
    }

    #[test]
    fn the_exports_are_as_every_sdk_needs_them() {
        let changes = changed(&[]);
        assert_eq!(
            script(&changes),
            "export AGENTBAY_ENDPOINT=localhost:8443\n\
             export AGENTBAY_API_KEY=akm-1\n\
             export AGB_ENDPOINT=https://localhost:8443\n\
             export AGB_API_KEY=akm-1\n\
             export SSL_CERT_FILE='/data dir/it'\\''s.pem'\n\
             export REQUESTS_CA_BUNDLE='/data dir/it'\\''s.pem'\n\
             export CURL_CA_BUNDLE='/data dir/it'\\''s.pem'\n\
             export NODE_EXTRA_CA_CERTS='/data dir/it'\\''s.pem'\n\
             export JAVA_TOOL_OPTIONS='-Djavax.net.ssl.trustStore=/data/t.p12 -Djavax.net.ssl.trustStorePassword=changeit -Djavax.net.ssl.trustStoreType=PKCS12'"
        );
        assert_eq!(changes.warnings, [""; 0]);
    }

    #[test]
    fn a_proxy_is_kept_off_loopback_and_warned_of() {
        let check = |pairs: &[(&str, &str)], hosts: &str| {
            let changes = changed(pairs);
            assert!(changes.exports.contains(&("NO_PROXY", hosts.to_owned())), "{changes:?}");
            assert!(changes.warnings[0].contains(pairs[0].0) && changes.warnings[0].contains("Python"), "{changes:?}");
        };
        check(&[("https_proxy", "http://p")], "localhost,127.0.0.1");
        check(&[("ALL_PROXY", "http://p"), ("NO_PROXY", "internal, localhost")], "internal,localhost,127.0.0.1");
    }

    #[test]
    fn a_server_that_is_gone_is_told() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let changes = changed_by_server(child.id(), &[]);
        assert!(changes.warnings[0].contains("is gone") && changes.warnings[0].contains("make run"), "{changes:?}");
        assert!(!changes.exports.is_empty(), "the settings hold when it is back");
    }

    #[test]
    fn a_region_is_unset_because_it_would_win() {
        let changes = changed(&[("AGENTBAY_REGION_ID", "cn-hangzhou")]);
        assert!(script(&changes).starts_with("unset AGENTBAY_REGION_ID\nexport "));
        assert!(changes.warnings[0].contains("cn-hangzhou"));
    }

    #[test]
    fn every_form_says_the_same() {
        let changes = changed(&[("AGENTBAY_REGION_ID", "cn-hangzhou"), ("HTTP_PROXY", "http://p")]);
        let (object, script) = (object(&changes), script(&changes));
        for (name, value) in &object {
            let line = value.map_or(format!("unset {name}"), |value| format!("export {name}={}", quote(value)));
            assert!(script.lines().any(|said| said == line), "{line}: {script}");
        }
        assert_eq!(object.len(), script.lines().count());
        assert_eq!((object["AGENTBAY_REGION_ID"], object["AGB_ENDPOINT"]), (None, Some("https://localhost:8443")));
        assert_eq!((object["NO_PROXY"], object["no_proxy"]), (Some("localhost,127.0.0.1"), Some("localhost,127.0.0.1")));
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in ["", "plain", "a b", "it's", "$(reboot)", "`x`", "a\nb", "\\", "\"", "-n", "ü*?[~"] {
            let shell = Command::new("sh").args(["-c", &format!("printf %s {}", quote(text))]).output().unwrap();
            assert_eq!(String::from_utf8(shell.stdout).unwrap(), text);
        }
    }
}
