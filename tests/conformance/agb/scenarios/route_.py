"""How the package reaches the server: plain HTTP, silence, keys, sessions that are not there, bodies of any size."""

import contextlib
import os
import time
import urllib.parse

import plain
from bench import Ran, scenario
from sdk import Absent, aw, error_of, said, takes

# An id that none can have may be refused as such.
NOT_FOUND = ("not found", "notfound", "does not exist", "session id", "sessionid")


@contextlib.contextmanager
def impatient():
    """Clients made in here wait for 3 s of silence, as a user says it."""
    os.environ["AGB_TIMEOUT_MS"] = "3000"
    try:
        yield
    finally:
        del os.environ["AGB_TIMEOUT_MS"]


@scenario("agb-plain-http")
async def plain_http(bench):
    url = os.environ["ROADSTEAD_CONFORMANCE_URL"]
    bare = urllib.parse.urlsplit(url).netloc
    config = type("Config", (), {"endpoint": bare, "timeout_ms": 60000})
    # The first releases take a bare name for plain HTTP; later ones need the scheme.
    is_plain = bench.sdk.thing("HTTPClient")("", config).base_url.startswith("http://")
    client = bench.sdk.client(endpoint=bare if is_plain else url)
    made = await aw(client.create(bench.sdk.params(**bench.labels())))
    assert made.success, error_of(made)
    bench.extra.append(made.session)
    ran = await bench.run(made.session, "echo over plain HTTP")
    assert ran.success and ran.text == "over plain HTTP\n", ran
    gone = await bench.sdk.delete(client, made.session)
    assert gone.success, error_of(gone)
    assert not plain.exists(made.session.session_id)


@scenario("agb-endpoint-slash")
async def endpoint_slash(bench):
    session = await bench.session()
    client = bench.sdk.client(endpoint=os.environ["AGB_ENDPOINT"] + "/")
    ran = await bench.run(bench.sdk.attach(client, session.session_id), "echo through two slashes")
    assert ran.success and ran.text == "through two slashes\n", ran
    told = await aw(bench.sdk.attach(client, session.session_id).info())
    assert told.success, error_of(told)


@scenario("agb-silent-call")
async def silent_call(bench):
    session = await bench.session()
    folder = await bench.folder(session, "silent-call")
    with impatient():
        client = bench.sdk.client()
    assert client.timeout_ms == 3000
    ran = await bench.run(bench.sdk.attach(client, session.session_id), f"sleep 10; touch {folder}/awake; echo awake", 30000)
    assert ran.success and ran.text == "awake\n", ran
    assert plain.sh(session.session_id, f"ls {folder}") == "awake\n"
    # A failure after silence arrives as well.
    ran = await bench.run(bench.sdk.attach(client, session.session_id), "sleep 60", 7000)
    assert not ran.success and "time" in (ran.error + (ran.stderr or "")).lower(), ran


@scenario("agb-silent-code")
async def silent_code(bench):
    session = await bench.session("code_latest")
    with impatient():
        client = bench.sdk.client()
    call = bench.sdk.run_code(bench.sdk.attach(client, session.session_id))
    result = await aw(call("import time\ntime.sleep(10)\nprint('awake')", "python", timeout_s=30))
    assert result.success and "awake" in said(result), (error_of(result), said(result))


@scenario("agb-silent-minutes")
async def silent_minutes(bench):
    session = bench.sdk.attach(bench.bay, (await bench.session()).session_id)
    assert bench.bay.timeout_ms == 60000
    began = time.monotonic()
    ran = await bench.run(session, "sleep 300; echo five minutes", 330000)
    assert ran.success and ran.text == "five minutes\n", ran
    assert time.monotonic() - began > 299


@scenario("agb-call-timeouts")
async def call_timeouts(bench):
    session = bench.sdk.attach(bench.bay, (await bench.session()).session_id)
    call = getattr(session, "call_mcp_tool", None)
    if call is None or not takes(call, "read_timeout"):
        raise Absent("Session.call_mcp_tool(read_timeout=)")
    args = {"command": "sleep 6; echo late", "timeout_ms": 20000}
    result = await aw(call("shell", args, read_timeout=3000, connect_timeout=3000))
    assert result.success and "late" in result.data, error_of(result)


def calls_of(bench, client, session):
    """Every call of a client and of a session that asks the server, as far as this release has it."""
    calls = {
        "command": lambda: bench.run(session, "echo inside"),
        "read": lambda: aw(bench.files(session).get_file_info("/etc/hostname")),
        "code": lambda: aw(bench.sdk.run_code(session)("print(1)", "python")),
        "info": lambda: aw(session.info()),
        "link": lambda: aw(session.get_link(protocol_type="https", port=30150)),
    }
    for name, args in (("set_labels", [{"a": "b"}]), ("get_labels", []), ("get_status", []), ("keep_alive", []), ("get_metrics", [])):
        call = getattr(session, name, None)
        if call is not None:
            calls[name] = lambda call=call, args=args: aw(call(*args))
    for name in ("get", "get_session"):
        call = getattr(client, name, None)
        if call is not None:
            calls[name] = lambda call=call: aw(call(session.session_id))
    calls["delete"] = lambda: bench.sdk.delete(client, session)
    return calls


async def all_refused(calls, words, hidden):
    """Each call fails soon, with one of the words, but for those whose message the package hides."""
    for name, call in calls.items():
        began = time.monotonic()
        try:
            result = await call()
        except Exception as error:
            text = str(error)
        else:
            assert not result.success, f"{name} claims success"
            text = result.error if isinstance(result, Ran) else error_of(result)
        assert time.monotonic() - began < 20, f"{name} took {time.monotonic() - began:.0f} s"
        assert name in hidden or any(word in text.lower() for word in words), f"{name}: {text}"


@scenario("agb-wrong-key")
async def wrong_key(bench):
    session = await bench.create()
    stranger = bench.sdk.client("akm-not-a-key-of-this-server")
    calls = calls_of(bench, stranger, bench.sdk.attach(stranger, session.session_id))
    listing = getattr(stranger, "list", None)
    if listing is not None and takes(listing, "labels"):
        calls = {"list": lambda: aw(listing()), **calls}
    await all_refused(calls, ["key"], {"link"})
    # It stands as it was.
    assert plain.sh(session.session_id, "echo alive") == "alive\n"


@scenario("agb-unknown-session")
async def unknown_session(bench):
    for session_id in ("session-0000000000000000", "no session's id", "../../etc/passwd"):
        session = bench.sdk.attach(bench.bay, session_id)
        await all_refused(calls_of(bench, bench.bay, session), NOT_FOUND, {"link"})


@scenario("agb-body-limit")
async def body_limit(bench):
    session = bench.sdk.attach(bench.bay, (await bench.session()).session_id)
    path = await bench.folder(session, "body") + "/text"
    written = await tool(session, "write_file", {"path": path, "content": "x" * (12 << 20), "mode": "overwrite"})
    assert written.success, error_of(written)
    assert plain.sh(session.session_id, f"stat -c %s {path}") == f"{12 << 20}\n"
    refused = await tool(session, "write_file", {"path": path, "content": "y" * (48 << 20), "mode": "overwrite"})
    assert not refused.success, "48 MiB were taken"
    assert "large" in error_of(refused).lower() or "limit" in error_of(refused).lower(), error_of(refused)
    assert plain.sh(session.session_id, f"stat -c %s {path}; head -c 1 {path}") == f"{12 << 20}\nx"


async def tool(session, name, args):
    call = getattr(session, "call_mcp_tool", None) or session.command._call_mcp_tool
    return await aw(call(name, args))
