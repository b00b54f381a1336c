//! Code, in a kernel that can misbehave in every way.

use crate::fake_kernel;
use crate::host::{Host, meta};
use futures::StreamExt;
use protocol::packet::PacketCodec;
use protocol::streams::{CodeEvent, CodeOpen};
use protocol::{CALL_META_KEY, GENERATION, StreamOpen, ToolErrorCode, ToolOutcome};
use rmcp::model::{CallToolRequest, CallToolRequestParams, CancelledNotificationParam, ClientRequest, RequestMetaObject};
use rmcp::service::{PeerRequestOptions, serve_client};
use runtime::Runtime;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_util::codec::Framed;

/// A guest with the fake kernel as Python and JavaScript, and a kernel for R that does not start.
fn start() -> Option<Host> {
    let program = std::env::current_exe().unwrap();
    let mut argv = vec!["/usr/local/share/fake-kernel"];
    argv.extend(fake_kernel::ARGUMENTS);
    let spec = json!({ "argv": argv, "interrupt_mode": "message" });
    let broken = json!({ "argv": ["/bin/sh", "-c", "echo broken >&2; exit 3"] });
    let prepare = format!(
        "mount -t tmpfs none /usr/local/share; cd /usr/local/share; cp '{}' fake-kernel; mkdir -p jupyter/kernels; cd jupyter/kernels
        mkdir python javascript r; echo '{spec}' | tee python/kernel.json > javascript/kernel.json; echo '{broken}' > r/kernel.json; cd /;",
        program.display()
    );
    Host::start_in(std::path::Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists(), &prepare)
}

async fn outcome(host: &Host, language: &str, code: &str, timeout_s: f64) -> ToolOutcome {
    host.call("run_code", json!({ "language": language, "code": code, "timeout_s": timeout_s })).await
}

async fn run(host: &Host, code: &str) -> Value {
    outcome(host, "python", code, 20.0).await.unwrap()
}

async fn printed(host: &Host, code: &str) -> String {
    let result = run(host, code).await;
    assert!(result.get("error").is_none(), "{code}: {result}");
    result["stdout"].as_array().unwrap().iter().map(|piece| piece.as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_language_has_one_kernel_and_late_output_is_not_lost() {
    let Some(host) = start() else { return };
    let pid = printed(&host, "pid").await;
    assert_eq!(printed(&host, "pid").await, pid);
    assert_ne!(outcome(&host, "javascript", "pid", 20.0).await.unwrap()["stdout"][0], json!(pid));
    assert_eq!(printed(&host, "late").await, "late");
    let started = Instant::now();
    assert_eq!(run(&host, "no-idle").await["execution_count"], 7);
    assert!(started.elapsed() > Duration::from_secs(1));
    assert_eq!(host.shell("ls /run/.kernel-* /tmp/.kernel-* 2>/dev/null").await["stdout"], "", "keys lie about");
}

#[tokio::test]
async fn garbage_counts_for_nothing() {
    let Some(host) = start() else { return };
    let pid = printed(&host, "pid").await;
    assert_eq!(printed(&host, "garbage").await, "after");
    assert_eq!(printed(&host, "pid").await, pid);
    let result = run(&host, "break").await;
    assert_eq!((&result["error"]["name"], &result["state_lost"]), (&json!("KernelDied"), &json!(true)), "{result}");
    assert_ne!(printed(&host, "pid").await, pid);
}

#[tokio::test]
async fn output_of_any_size_takes_bounded_memory() {
    let Some(host) = start() else { return };
    run(&host, "pid").await;
    let before = host.memory_kb("VmHWM");
    assert_eq!(run(&host, "huge 500000000").await["cut_bytes"], 500_000_000);
    assert!(host.memory_kb("VmHWM") - before < 16 * 1024, "{} kB", host.memory_kb("VmHWM") - before);
    let result = outcome(&host, "python", "flood", 1.0).await.unwrap();
    assert_eq!((&result["timed_out"], &result["state_lost"]), (&json!(true), &json!(false)), "{}", result["error"]);
    assert!(result["stdout"].as_array().unwrap().iter().map(|piece| piece.as_str().unwrap().len()).sum::<usize>() == 1 << 20);
    assert!(host.memory_kb("VmHWM") - before < 32 * 1024, "{} kB", host.memory_kb("VmHWM") - before);
    assert_eq!(printed(&host, "print still there").await, "still there");
}

#[tokio::test]
async fn a_death_is_told_and_the_next_code_has_a_new_kernel() {
    let Some(host) = start() else { return };
    let result = run(&host, "die").await;
    assert_eq!((&result["stdout"][0], &result["state_lost"]), (&json!("last output"), &json!(true)), "{result}");
    let told = result["error"]["value"].as_str().unwrap();
    assert!(told.contains("exit code 9") && told.contains("its state is lost; it said: last words"), "{told}");
    assert_eq!(run(&host, "die-later").await["state_lost"], false);
    let gone = "for i in $(seq 200); do pgrep -f fake_kernel::serve >/dev/null || break; sleep 0.02; done";
    host.shell(gone).await;
    let result = run(&host, "print again").await;
    assert_eq!((&result["stdout"][0], &result["state_lost"]), (&json!("again"), &json!(true)), "{result}");
    assert_eq!(run(&host, "print again").await["state_lost"], false, "told once");
    let error = outcome(&host, "r", "1", 5.0).await.unwrap_err();
    assert!(error.message.contains("exit code 3; it said: broken"), "{error}");
    let error = outcome(&host, "java", "1", 5.0).await.unwrap_err();
    assert!(error.code == ToolErrorCode::InvalidArgument && error.message.contains("python, javascript, r"), "{error}");
}

#[tokio::test]
async fn code_that_runs_too_long_is_interrupted_then_killed() {
    let Some(host) = start() else { return };
    let pid = printed(&host, "pid").await;
    let result = outcome(&host, "python", "loop", 0.3).await.unwrap();
    assert_eq!((&result["timed_out"], &result["state_lost"]), (&json!(true), &json!(false)), "{result}");
    assert_eq!((&result["error"]["name"], &result["error"]["traceback"]), (&json!("TimeoutError"), &json!("at line 1")));
    assert_eq!(printed(&host, "pid").await, pid);
    // Other languages do not wait for it.
    let started = Instant::now();
    let (deaf, other) = tokio::join!(outcome(&host, "python", "deaf", 0.3), async {
        let result = outcome(&host, "javascript", "print x", 5.0).await.unwrap();
        (result, started.elapsed())
    });
    assert!(other.0["stdout"][0] == "x" && other.1 < Duration::from_secs(4), "{other:?}");
    let deaf = deaf.unwrap();
    assert_eq!((&deaf["timed_out"], &deaf["state_lost"]), (&json!(true), &json!(true)), "{deaf}");
    assert_ne!(printed(&host, "pid").await, pid);
    for timeout_s in [0.0, -1.0, 1e9] {
        assert_eq!(outcome(&host, "python", "pid", timeout_s).await.unwrap_err().code, ToolErrorCode::InvalidArgument);
    }
}

#[tokio::test]
async fn code_waits_in_line_and_the_line_has_an_end() {
    let Some(host) = start() else { return };
    let first = outcome(&host, "python", "wait /home/wuying/go", 20.0);
    let rest = async {
        while host.shell("pgrep -f fake_kernel::serve").await["exit_code"] != 0 {}
        let codes: Vec<_> = (0..guest::kernel::MAX_WAITING + 3).map(|n| format!("print {n}")).collect();
        let all = futures::future::join_all(codes.iter().map(|code| outcome(&host, "python", code, 20.0)));
        let touch = async {
            host.shell("sleep 0.5; touch go").await;
        };
        tokio::join!(all, touch).0
    };
    let (first, rest) = tokio::join!(first, rest);
    assert_eq!(first.unwrap()["stdout"][0], "waiting");
    let busy = rest.iter().filter(|outcome| outcome.as_ref().is_err_and(|error| error.code == ToolErrorCode::Busy)).count();
    assert!((1..=3).contains(&busy), "{busy}");
    assert_eq!(rest.iter().filter(|outcome| outcome.is_ok()).count(), rest.len() - busy);
}

#[tokio::test]
async fn variables_reach_commands_and_kernels_that_run() {
    let Some(host) = start() else { return };
    run(&host, "pid").await;
    assert_eq!(host.call("set_env", json!({ "envs": { "A": "x\"y", "B": "1" } })).await.unwrap(), json!({ "count": 2 }));
    assert_eq!(host.call("set_env", json!({ "envs": { "B": "2" } })).await.unwrap(), json!({ "count": 2 }));
    assert_eq!(host.shell("echo \"$A $B\"").await["stdout"], "x\"y 2\n");
    assert_eq!(printed(&host, "assigned").await, r#"__import__('os').environ.update({"A":"x\"y","B":"2"})"#);
    let envs = host.call("get_env", json!({ "keys": ["B", "HOME", "NONE"] })).await.unwrap();
    assert_eq!(envs, json!({ "envs": { "B": "2", "HOME": "/home/wuying" } }));
    assert!(host.call("get_env", json!({})).await.unwrap()["envs"].as_object().unwrap().len() > 7);
    assert_eq!(host.call("set_env", json!({ "envs": { "A=": "" } })).await.unwrap_err().code, ToolErrorCode::InvalidArgument);
}

async fn stream(host: &Host, code: &str, timeout_s: f64) -> Framed<runtime::ByteStream, PacketCodec> {
    let args = serde_json::from_value(json!({ "language": "python", "code": code, "timeout_s": timeout_s })).unwrap();
    let open = StreamOpen::Code(CodeOpen { call: meta("wuying"), args });
    Framed::new(host.runtime.open_stream(&"sb-test".parse().unwrap(), &open).await.unwrap(), PacketCodec)
}

async fn event(packets: &mut Framed<runtime::ByteStream, PacketCodec>) -> Option<CodeEvent> {
    Some(packets.next().await?.unwrap().parse().unwrap())
}

#[tokio::test]
async fn output_streams_while_the_code_runs_and_the_code_outlives_its_stream() {
    let Some(host) = start() else { return };
    let mut packets = stream(&host, "wait /home/wuying/one", 20.0).await;
    assert_eq!(event(&mut packets).await, Some(CodeEvent::Starting));
    assert_eq!(event(&mut packets).await, Some(CodeEvent::Stdout { text: "waiting".into() }));
    host.shell("touch one").await;
    let ended = event(&mut packets).await;
    assert!(matches!(ended, Some(CodeEvent::Ended { execution_count: 7, timed_out: false, state_lost: false, .. })), "{ended:?}");
    assert_eq!(event(&mut packets).await, None);

    let mut packets = stream(&host, "wait /home/wuying/two", 20.0).await;
    assert_eq!(event(&mut packets).await, Some(CodeEvent::Stdout { text: "waiting".into() }));
    drop(packets);
    assert_eq!(
        host.shell("touch two; for i in $(seq 200); do test -e two.seen && break; sleep 0.02; done; ls two.seen").await["exit_code"],
        0
    );
}

#[tokio::test]
async fn code_that_is_cancelled_in_line_never_runs_and_what_runs_goes_on() {
    let Some(host) = start() else { return };
    let mut first = stream(&host, "wait /home/wuying/go", 60.0).await;
    assert_eq!(event(&mut first).await, Some(CodeEvent::Starting));
    assert_eq!(event(&mut first).await, Some(CodeEvent::Stdout { text: "waiting".into() }));

    // Were it run, it would find `second` and leave `second.seen`.
    host.shell("touch second").await;
    let call = meta("wuying");
    let arguments = json!({ "language": "python", "code": "wait /home/wuying/second", "timeout_s": 60.0 });
    let mcp = host.runtime.open_stream(&"sb-test".parse().unwrap(), &StreamOpen::Mcp { generation: GENERATION }).await.unwrap();
    let client = serve_client((), tokio::io::split(mcp)).await.unwrap();
    let mut named = RequestMetaObject::new();
    named.0.0.insert(CALL_META_KEY.into(), json!(call));
    let params = CallToolRequestParams::new("run_code").with_arguments(arguments.as_object().unwrap().clone());
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    let asked = client.send_request_with_option(request, PeerRequestOptions::no_options().with_meta(named)).await.unwrap();
    let outcome = async {
        let mut outcome = std::pin::pin!(host.guest.call_tool(&call, "run_code", arguments));
        // Said until it was heard: whether the request or its cancellation is looked at first is not ours to say.
        let mut again = tokio::time::interval(Duration::from_millis(5));
        loop {
            tokio::select! {
                outcome = &mut outcome => return outcome.unwrap(),
                _ = again.tick() => client.notify_cancelled(CancelledNotificationParam::new(Some(asked.id.clone()), None)).await.unwrap(),
            }
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(30), outcome).await.expect("it was not cancelled while it waited");
    let error = outcome.unwrap_err();
    assert!(error.code == ToolErrorCode::Cancelled && error.message.contains("before its code was run"), "{error}");

    host.shell("touch go").await;
    let ended = event(&mut first).await;
    assert!(matches!(ended, Some(CodeEvent::Ended { timed_out: false, state_lost: false, .. })), "{ended:?}");
    assert_eq!(printed(&host, "print after").await, "after");
    assert_eq!(host.shell("ls go.seen second.seen").await["stdout"], "go.seen\n", "it ran all the same");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_reader_that_does_not_read_costs_bounded_memory_and_is_told_what_it_missed() {
    let Some(host) = start() else { return };
    run(&host, "pid").await;
    let before = host.memory_kb("VmHWM");
    let mut packets = stream(&host, "flood", 1.0).await;
    // Waits in line behind it, so that it is over then.
    assert_eq!(printed(&host, "print next").await, "next");
    assert!(host.memory_kb("VmHWM") - before < 32 * 1024, "{} kB", host.memory_kb("VmHWM") - before);
    let mut last = None;
    while let Some(event) = event(&mut packets).await {
        last = Some(event);
    }
    assert!(matches!(last, Some(CodeEvent::Ended { timed_out: true, state_lost: false, cut_bytes: 1.., .. })), "{last:?}");
}
