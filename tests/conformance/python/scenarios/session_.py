"""Making, finding, labelling and ending sessions."""

import inspect
import json
import os
import time
import urllib.request

import plain
from bench import scenario
from sdk import aw, error_of, fields, need, need_parameter

NOT_FOUND = ("not found", "notfound", "no session")


def says_not_found(text):
    return any(words in text.lower() for words in NOT_FOUND)


@scenario("session-create-delete")
async def create_delete(bench):
    result = await aw(bench.bay.create(*bench.sdk.simplest()))
    assert result.success, error_of(result)
    assert result.request_id, "no request id"
    session = result.session
    bench.extra.append(session)
    assert plain.exists(session.session_id)
    assert (await bench.sh(session, "id -un")).strip() == "wuying"
    deleted = await aw(bench.bay.delete(session))
    assert deleted.success, error_of(deleted)
    assert not plain.exists(session.session_id)


@scenario("session-image-labels")
async def image_labels(bench):
    session = await bench.create(image_id="linux_latest", labels={"colour": "dunkelgrün"})
    entries = plain.find({"conformance": bench.column, "colour": "dunkelgrün"})
    assert [entry["SessionId"] for entry in entries] == [session.session_id], entries
    assert entries[0]["ImageId"] == "linux_latest", entries
    assert (await bench.sh(session, "cat /etc/debian_version")).strip()


@scenario("session-image-unknown")
async def image_unknown(bench):
    result = await aw(bench.bay.create(bench.sdk.params(image_id="no_such_image")))
    assert not result.success, "it was made"
    assert "no_such_image" in error_of(result), error_of(result)


@scenario("session-delete-twice")
async def delete_twice(bench):
    session = await bench.create()
    assert (await bench.delete(session)).success
    began = time.monotonic()
    again = await bench.delete(session)
    assert not again.success, "the second one claims success"
    assert says_not_found(error_of(again)), error_of(again)
    assert time.monotonic() - began < 20


@scenario("session-list-labels")
async def list_labels(bench):
    made = [await bench.create(labels={"list": "1", "n": n}) for n in ("even", "odd", "even")]
    ids, total, _ = await listed(bench, {"conformance": bench.column, "list": "1", "n": "even"}, 10)
    assert sorted(ids) == sorted([made[0].session_id, made[2].session_id]), ids
    assert total == 2, total
    ids, total, _ = await listed(bench, {"conformance": bench.column, "list": "none"}, 10)
    assert not ids and not total, (ids, total)


@scenario("session-list-pages")
async def list_pages(bench):
    call = need(bench.bay, "list")
    need_parameter(call, "page")
    made = [await bench.create(labels={"pages": "1"}) for _ in range(5)]
    seen = []
    for page, count in ((1, 2), (2, 2), (3, 1)):
        result = await aw(call(labels={"conformance": bench.column, "pages": "1"}, page=page, limit=2))
        assert result.success and result.total_count == 5, (error_of(result), result.total_count)
        assert len(result.session_ids) == count, (page, result.session_ids)
        seen += map(id_of, result.session_ids)
    assert sorted(seen) == sorted(session.session_id for session in made), seen


@scenario("session-list-cursor")
async def list_cursor(bench):
    need(bench.bay, "list_by_labels")
    made = [await bench.create(labels={"cursor": "1"}) for _ in range(5)]
    seen, cursor, rounds = [], "", 0
    while True:
        ids, total, cursor = await listed(bench, {"conformance": bench.column, "cursor": "1"}, 2, cursor)
        assert total == 5, total
        seen += ids
        rounds += 1
        if not cursor:
            break
        assert rounds < 5, "it goes on for ever"
    assert rounds == 3 and sorted(seen) == sorted(session.session_id for session in made), (rounds, seen)


@scenario("session-list-past-end")
async def list_past_end(bench):
    call = need(bench.bay, "list")
    need_parameter(call, "page")
    await bench.create(labels={"past": "1"})
    result = await aw(call(labels={"conformance": bench.column, "past": "1"}, page=3, limit=2))
    assert not result.success or not result.session_ids, result.session_ids


@scenario("session-labels")
async def labels(bench):
    session = await bench.create(labels={"first": "1"})
    wanted = {"owner": "tester", "größe": "XL 漢字", "conformance": bench.column}
    assert (await aw(session.set_labels(wanted))).success
    got = await aw(session.get_labels())
    assert got.success and got.data == wanted, got.data
    stored = json.loads(plain.ask("GetLabel", SessionId=session.session_id)["Data"]["Labels"])
    assert stored == wanted, stored


@scenario("session-labels-refused")
async def labels_refused(bench):
    session = await bench.create(labels={"kept": "1"})
    before = plain.ask("GetLabel", SessionId=session.session_id)["Data"]["Labels"]
    for wrong in ({}, {"": "value"}, {"key": ""}):
        assert not (await aw(session.set_labels(wrong))).success, f"{wrong} was taken"
    after = plain.ask("GetLabel", SessionId=session.session_id)["Data"]["Labels"]
    assert json.loads(before) == json.loads(after), after


@scenario("session-get")
async def get(bench):
    call = need(bench.bay, "get")
    session = await bench.session()
    folder = await bench.folder(session, "get")
    await bench.sh(session, f"echo here > {folder}/mark")
    again = await aw(call(session.session_id))
    assert again.success, error_of(again)
    assert (await bench.sh(again.session, f"cat {folder}/mark")) == "here\n"
    unknown = await aw(call("session-0000000000000000"))
    assert not unknown.success and says_not_found(error_of(unknown)), error_of(unknown)


@scenario("session-status")
async def status(bench):
    session = await bench.session()
    result = await aw(need(session, "get_status")())
    assert result.success and result.status == "RUNNING", (error_of(result), result.status)


@scenario("session-info")
async def info(bench):
    session = await bench.session()
    result = await aw(session.info())
    assert result.success, error_of(result)
    told = fields(result.data)
    assert told.session_id == session.session_id, told.session_id
    assert len(told.resource_url) >= 100 and len(told.auth_code) >= 50 and len(told.ticket) >= 80
    with urllib.request.urlopen(told.resource_url, timeout=20) as page:
        assert page.status == 200 and session.session_id in page.read().decode()


@scenario("session-info-released")
async def info_released(bench):
    session = await bench.create()
    assert (await bench.delete(session)).success
    try:
        result = await aw(session.info())
    except Exception as error:
        # Older releases raise what newer ones return.
        assert says_not_found(str(error)), error
        return
    assert not result.success and says_not_found(error_of(result)), error_of(result)


@scenario("session-foreign-call")
async def call_after_delete(bench):
    session = await bench.create()
    assert (await bench.delete(session)).success
    ran = await bench.run(session, "echo still here")
    assert not ran.success and "still here" not in ran.text, ran
    assert says_not_found(ran.error), ran.error


@scenario("session-keep-alive")
async def keep_alive(bench):
    session = await bench.create()
    call = need(session, "keep_alive")
    result = await aw(call())
    assert result.success, error_of(result)
    assert plain.exists(session.session_id)
    assert (await bench.delete(session)).success
    assert not (await aw(call())).success


@scenario("session-wrong-key")
async def wrong_key(bench):
    stranger = bench.sdk.client(api_key="akm-not-a-key-of-this-server")
    try:
        result = await aw(stranger.create(bench.sdk.params(**bench.labels(wrong="key"))))
        assert not result.success, "it was let in"
        text = error_of(result)
    except AssertionError:
        raise
    except Exception as error:
        text = str(error)
    assert "key" in text.lower(), text
    assert os.environ["AGENTBAY_API_KEY"] not in text
    assert not plain.find({"conformance": bench.column, "wrong": "key"})


@scenario("session-devices")
async def devices(bench):
    mobile = bench.sdk.thing("MobileExtraConfig")(lock_resolution=True)
    extra = bench.sdk.thing("ExtraConfigs")(mobile=mobile)
    labels = {"conformance": bench.column, "devices": "1"}
    try:
        result = await aw(bench.bay.create(bench.sdk.params(labels=labels, extra_configs=extra)))
        assert not result.success, "it was made"
        text = error_of(result)
    except AssertionError:
        raise
    except Exception as error:
        text = str(error)
    assert "mobile.lock_resolution" in text, text
    assert not plain.find(labels)


@scenario("session-plain-endpoint")
async def plain_endpoint(bench):
    kind = bench.sdk.thing("Config")
    config = {"endpoint": os.environ["ROADSTEAD_CONFORMANCE_PLAIN_ENDPOINT"], "timeout_ms": 60_000}
    region = inspect.signature(kind).parameters.get("region_id")
    if region and region.default is region.empty:
        config["region_id"] = "cn-hangzhou"
    bay = bench.sdk.client(cfg=kind(**config))
    result = await aw(bay.create(bench.sdk.params(labels={"conformance": bench.column, "plain": "1"})))
    assert result.success, error_of(result)
    bench.extra.append(result.session)
    assert await bench.sh(result.session, "echo plainly") == "plainly\n"
    assert plain.exists(result.session.session_id)
    deleted = await aw(bay.delete(result.session))
    assert deleted.success and not plain.exists(result.session.session_id), error_of(deleted)


@scenario("session-auto-gen")
async def auto_gen(bench):
    session = await bench.create(labels={"auto": "1"})
    call = need(session, "call_mcp_tool")
    need_parameter(call, "auto_gen_session")
    assert (await bench.delete(session)).success
    # Attached by its id: a session that knows a direct route takes it, and nothing of the parameter goes over that.
    call = type(session)(bench.bay, session.session_id).call_mcp_tool
    result = await aw(call("shell", {"command": "echo made anew", "timeout_ms": 20000}, auto_gen_session=True))
    assert result.success and "made anew" in result.data, error_of(result)


async def listed(bench, labels, limit, cursor=""):
    """Ids, total and next cursor of one page, the way this release lists."""
    if hasattr(bench.bay, "list_by_labels"):
        params = bench.sdk.thing("ListSessionParams")(max_results=limit, next_token=cursor, labels=labels)
        result = await aw(bench.bay.list_by_labels(params))
    else:
        need_parameter(bench.bay.list, "labels")
        result = await aw(bench.bay.list(labels=labels, limit=limit))
    assert result.success, error_of(result)
    entries = result.sessions if hasattr(result, "sessions") else result.session_ids
    return [id_of(entry) for entry in entries], result.total_count, result.next_token


def id_of(entry):
    if isinstance(entry, str):
        return entry
    return entry["sessionId"] if isinstance(entry, dict) else entry.session_id
