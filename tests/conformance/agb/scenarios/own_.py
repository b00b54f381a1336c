"""What the package has beside the other one's calls: sessions, lists, files, watching."""

import inspect
import json
import os
import threading
import time

import plain
from bench import scenario
from sdk import Absent, aw, error_of, need, need_parameter, said, takes


@scenario("agb-no-image")
async def no_image(bench):
    try:
        result = await aw(bench.bay.create())
    except TypeError as error:
        raise Absent(f"AGB.create() without parameters: {error}") from None
    if result.success:
        # The first releases leave it to the server, which has a default.
        bench.extra.append(result.session)
        assert plain.sh(result.session.session_id, "echo made") == "made\n"
    else:
        assert "required" in error_of(result), error_of(result)


@scenario("agb-image-names")
async def image_names(bench):
    made = await aw(bench.bay.create(bench.sdk.params(image_id="agb-code-space-1", **bench.labels())))
    assert made.success, error_of(made)
    bench.extra.append(made.session)
    result = await aw(bench.sdk.run_code(made.session)("print(6 * 7)", "python"))
    assert result.success and "42" in said(result), (error_of(result), said(result))
    for name in ("agb-browser-use-1", "agb-computer-use-ubuntu-2204"):
        refused = await aw(bench.bay.create(bench.sdk.params(image_id=name, **bench.labels())))
        if refused.success:
            # The host has that image.
            bench.extra.append(refused.session)
            assert plain.sh(refused.session.session_id, "echo made") == "made\n"
        else:
            assert name in error_of(refused), error_of(refused)


@scenario("agb-own-sessions")
async def own_sessions(bench):
    if takes(bench.bay.list, "labels"):
        raise Absent("AGB.list() of this client's own sessions")
    first, second = await bench.create(), await bench.create()
    assert {first, second} <= set(bench.bay.list())
    assert (await bench.delete(first)).success
    assert second in bench.bay.list() and first not in bench.bay.list()


@scenario("agb-get-session")
async def get_session(bench):
    call = need(bench.bay, "get_session")
    session = await bench.create()
    told = await aw(call(session.session_id))
    assert told.success and told.request_id, error_of(told)
    assert told.data.session_id == session.session_id, vars(told.data)
    # The first releases do not keep the state.
    assert getattr(told.data, "status", "RUNNING") == "RUNNING", vars(told.data)
    assert told.data.resource_url.startswith("http") and told.data.app_instance_id and told.data.resource_id, vars(told.data)
    assert (await bench.delete(session)).success
    gone = await aw(call(session.session_id))
    assert not gone.success and "not found" in error_of(gone).lower(), error_of(gone)


@scenario("agb-session-facts")
async def session_facts(bench):
    session = await bench.session()
    assert session.get_session_id() == session.session_id
    assert session.get_api_key() == os.environ["AGB_API_KEY"]
    assert session.get_client() is bench.bay.client
    assert session.image_id == "linux_latest" and session.resource_url.startswith("http"), vars(session)
    if hasattr(session, "get_link_url"):
        again = (await aw(bench.bay.get(session.session_id))).session
        assert session.get_token() and again.get_token() == session.get_token()
        assert again.get_link_url() == session.get_link_url() and again.ws_url == session.ws_url != ""
        assert {tool.name for tool in again.tool_list} == {tool.name for tool in session.tool_list} >= {"shell", "read_file"}


@scenario("agb-tools-of-image")
async def tools_of_image(bench):
    session = await bench.session()
    call = need(bench.sdk.attach(bench.bay, session.session_id), "list_mcp_tools")
    need_parameter(call, "image_id")
    code = await aw(call(image_id="code_latest"))
    assert code.success and "run_code" in {tool.name for tool in code.tools}, error_of(code)
    shell = await aw(call(image_id="linux_latest"))
    assert "run_code" not in {tool.name for tool in shell.tools} and "shell" in {tool.name for tool in shell.tools}
    unknown = await aw(call(image_id="no_such_image"))
    assert not unknown.success and "no_such_image" in error_of(unknown), error_of(unknown)


@scenario("agb-idle-release")
async def idle_release(bench):
    session = await bench.create(idle_release_timeout=3)
    status = need(session, "get_status")

    def is_gone():
        # Asking for the status is no use of the session.
        result = status()
        return not result.success and "not found" in error_of(result).lower()

    await bench.sdk.until(is_gone, "the idle session is released")
    assert not plain.exists(session.session_id)


@scenario("agb-default-timeout")
async def default_timeout(bench):
    session = await bench.session()
    call = bench.sdk.execute(session)
    assert inspect.signature(call).parameters["timeout_ms"].default == 1000
    began = time.monotonic()
    result = await aw(call("echo started; sleep 971"))
    assert not result.success, "a command of 16 minutes ended within a second"
    assert time.monotonic() - began < 15, "the default is not what ended it"
    left = plain.sh(session.session_id, "pgrep -fc 'sleep 97[1]$' || true")
    assert left.strip() == "0", left


@scenario("agb-bad-arguments")
async def bad_arguments(bench):
    session = await bench.session()
    for name, args, word in (
        ("read_file", {}, "path"),
        ("read_file", {"path": 5}, "path"),
        ("write_file", {"path": "/tmp/conformance/never", "content": "x", "mode": "sideways"}, "sideways"),
        ("shell", {"command": "true", "timeout_ms": "soon"}, "timeout_ms"),
        ("shell", {"command": "true", "cwd": "/nowhere/at/all"}, "/nowhere/at/all"),
    ):
        result = await bench.tool(session, name, args)
        assert not result.success and word in error_of(result), (name, args, result.success, error_of(result))


@scenario("agb-file-names")
async def file_names(bench):
    session = await bench.session()
    names = ["a b", "grüße", "世界 🚢", "co:lon", "it's", 'quo"te', "back\\slash", "$HOME", "-dash", "#hash?&%41+"]
    files, folder = bench.files(session), await bench.folder(session, "odd-names")
    for name in names:
        written = await aw(files.write_file(f"{folder}/{name}", f"in {name}"))
        assert written.success, (name, error_of(written))
    seen = plain.sh(session.session_id, f"cd {folder} && python3 -c 'import os, json; print(json.dumps(os.listdir()))'")
    assert sorted(json.loads(seen)) == sorted(names), seen
    listed = await aw(files.list_directory(folder))
    assert sorted(entry["name"] for entry in listed.entries) == sorted(names), listed.entries
    for name in names:
        read = await aw(files.read_file(f"{folder}/{name}"))
        assert read.success and read.content == f"in {name}", (name, error_of(read))
        moved = await aw(files.move_file(f"{folder}/{name}", f"{folder}/moved {name}"))
        assert moved.success, (name, error_of(moved))
    found = await aw(files.search_files(folder, "moved *"))
    assert sorted(found.matches) == sorted(f"{folder}/moved {name}" for name in names), found.matches
    many = await aw(files.read_multiple_files([f"{folder}/moved a b", f"{folder}/moved grüße"]))
    assert many.contents == {f"{folder}/moved a b": "in a b", f"{folder}/moved grüße": "in grüße"}, many.contents


@scenario("agb-watch-events")
async def watch_events(bench):
    session = await bench.session()
    call = need(bench.files(session), "watch_directory")
    folder = await bench.folder(session, "watch-events")
    plain.sh(session.session_id, f"cd {folder}; echo 1 > changed; echo 1 > removed")
    seen = []
    thread = call(folder, seen.extend, interval=0.2)
    ready = getattr(thread, "ready_event", None)
    if ready is None:
        raise Absent("the watch's ready_event")
    thread.start()
    assert ready.wait(20), "no baseline"
    plain.sh(session.session_id, f"cd {folder}; echo 2 >> changed; rm removed; mkdir made; echo 1 > created")

    def told():
        return {(event.event_type, event.path.rsplit("/", 1)[-1], event.path_type) for event in seen}

    wanted = {("modify", "changed", "file"), ("delete", "removed", "file"), ("create", "made", "directory"), ("create", "created", "file")}
    await bench.sdk.until(lambda: wanted <= told(), f"all four are told, and not {told()}")
    thread.stop_event.set()
    thread.join(10)
    assert not thread.is_alive(), "it does not stop"
    assert sum(event.path.endswith("/created") and event.event_type == "create" for event in seen) == 1, [vars(event) for event in seen]


@scenario("agb-watch-two")
async def watch_two(bench):
    session = await bench.session()
    call = need(bench.files(session), "watch_directory")
    root = await bench.folder(session, "watch-two")
    plain.sh(session.session_id, f"mkdir {root}/left {root}/right")
    seen, stop = {"left": [], "right": []}, threading.Event()
    threads = [call(f"{root}/{side}", seen[side].extend, interval=0.2, stop_event=stop) for side in seen]
    for thread in threads:
        if not thread.is_alive():
            thread.start()
    number = 0

    def both():
        # A baseline may be taken only after the first change, so changes go on until both tell of one.
        nonlocal number
        number += 1
        plain.sh(session.session_id, f"cd {root}; touch left/only-left-{number} right/only-right-{number}")
        return all(any("/only-" in event.path for event in seen[side]) for side in seen)

    await bench.sdk.until(both, "both watches tell")
    stop.set()
    for side, other in (("left", "right"), ("right", "left")):
        assert not [event.path for event in seen[side] if f"only-{other}" in event.path], seen


@scenario("agb-shell-json")
async def shell_json(bench):
    session = await bench.session()
    text = '{"stdout": "not this", "exit_code": 3, "result": []}'
    ran = await bench.run(session, f"echo '{text}'")
    assert ran.success and ran.text == text + "\n", ran
    ran = await bench.run(session, "echo '[1]'; exit 4")
    assert not ran.success, ran
