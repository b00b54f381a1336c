"""Watching a directory: by asking, and pushed over the WebSocket."""

import json
import threading

import plain
from bench import scenario
from sdk import aw, error_of, need


@scenario("watch-poll")
async def poll(bench):
    session = await bench.session()
    folder = await bench.folder(session, "poll")
    plain.sh(session.session_id, f"echo 1 > {folder}/changed; echo 1 > {folder}/deleted")

    async def changes():
        # The call that the SDK's own watcher makes; it is a tool, so every release can.
        result = await bench.tool(session, "get_file_change", {"path": folder})
        assert result.success, error_of(result)
        return sorted((event["eventType"], event["path"].rsplit("/", 1)[-1]) for event in json.loads(result.data))

    assert await changes() == [], "the first call sets the baseline"
    assert await changes() == []
    plain.sh(session.session_id, f"cd {folder}; echo two >> changed; rm deleted; touch created")
    seen = await changes()
    assert [event for event in seen if event[1] != "poll"] == [("create", "created"), ("delete", "deleted"), ("modify", "changed")], seen
    assert await changes() == []


@scenario("watch-directory")
async def directory(bench):
    await watch(bench, await bench.session(), "watched")


@scenario("watch-push")
async def push(bench):
    session = await bench.session()
    # Without a WebSocket of the session the SDK asks every half second: then nothing is pushed.
    need(session, "_get_ws_client")
    assert ws_url(session), "the session has no WebSocket URL"
    asked = []
    for name in ("_get_file_change",):
        original = getattr(session.file_system, name, None)
        if original is not None:
            setattr(session.file_system, name, lambda *args, **more: asked.append(args) or original(*args, **more))
    await watch(bench, session, "pushed")
    assert not asked, f"it asked {len(asked)} times instead of being told"


async def watch(bench, session, name):
    call = need(bench.files(session), "watch_directory")
    folder = await bench.folder(session, name)
    seen, stop = [], threading.Event()
    started = call(folder, lambda events: seen.extend(events), interval=0.2, stop_event=stop)
    # The asynchronous client gives a task, the other a thread that wants to be started.
    thread = await aw(started) if hasattr(started, "__await__") and not hasattr(started, "cancel") else started
    if isinstance(thread, threading.Thread) and not thread.is_alive():
        thread.start()
    number = 0

    def is_told():
        # A baseline may be taken only after the first change, so changes go on until one is told.
        nonlocal number
        number += 1
        plain.sh(session.session_id, f"echo {number} > {folder}/file-{number}")
        return [event for event in seen if "/file-" in event.path]

    events = await bench.sdk.until(is_told, "a change is told")
    assert events[0].path.startswith(f"{folder}/file-") and events[0].event_type in ("create", "modify"), vars(events[0])
    stop.set()
    if isinstance(thread, threading.Thread):
        thread.join(10)
        assert not thread.is_alive(), "it does not stop"


def ws_url(session):
    return next((getattr(session, name) for name in ("ws_url", "_ws_url", "_get_ws_url") if getattr(session, name, None)), "")
