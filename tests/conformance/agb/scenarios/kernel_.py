"""Code: names of languages, what a stream tells, and the WebSocket client by itself."""

import asyncio

import plain
from bench import scenario
from sdk import aw, error_of, need_parameter, said

IMAGE = "code_latest"


@scenario("agb-code-names")
async def code_names(bench):
    session = await bench.session(IMAGE)
    run = bench.sdk.run_code(session)
    assert (await aw(run("print('upper')", "PYTHON"))).success
    refused = await aw(run("puts 1", "ruby"))
    assert not refused.success and "ruby" in error_of(refused), error_of(refused)
    short = await aw(run("print('short')", "py"))
    if "unsupported" in error_of(short).lower():
        return
    assert short.success and "short" in said(short), error_of(short)
    for name in ("js", "node"):
        result = await aw(run("console.log(6 * 7)", name))
        assert result.success and "42" in said(result), (name, error_of(result))


@scenario("agb-stream-events")
async def stream_events(bench):
    session = await bench.session(IMAGE)
    run = bench.sdk.run_code(session)
    need_parameter(run, "stream_beta")
    out, err = [], []
    text = "import sys\nprint('to out')\nprint('to err', file=sys.stderr)\nfrom IPython.display import display, HTML\ndisplay(HTML('<b>x</b>'))\n6 * 7"
    result = await aw(run(text, "python", stream_beta=True, on_stdout=out.append, on_stderr=err.append))
    assert result.success, error_of(result)
    assert "".join(out) == "to out\n" and "".join(err) == "to err\n", (out, err)
    assert [item.html for item in result.results if item.html] == ["<b>x</b>"], [vars(item) for item in result.results]
    assert [item.text for item in result.results if item.is_main_result] == ["42"], [vars(item) for item in result.results]
    assert result.execution_count is not None and result.execution_time >= 0, vars(result)
    # The same kernel as without a stream.
    assert (await aw(run("kept = 'by the stream'", "python", stream_beta=True))).success
    assert "by the stream" in said(await aw(run("print(kept)", "python")))


@scenario("agb-stream-error")
async def stream_error(bench):
    session = await bench.session(IMAGE)
    run = bench.sdk.run_code(session)
    need_parameter(run, "on_error")
    told = []
    result = await aw(run("{}['no such key']", "python", stream_beta=True, on_error=told.append))
    assert not result.success, "it claims success"
    assert "KeyError" in str(told) + error_of(result) + str(vars(result.error)), (told, vars(result))
    assert (await aw(run("1 + 1", "python", stream_beta=True))).success
    slow = await aw(run("while True: pass", "python", timeout_s=3, stream_beta=True))
    assert not slow.success and any(word in error_of(slow).lower() for word in ("time", "interrupt")), error_of(slow)


@scenario("agb-stream-big")
async def stream_big(bench):
    session = await bench.session(IMAGE)
    run = bench.sdk.run_code(session)
    need_parameter(run, "stream_beta")
    # The package drops the connection at a message of more than 1 MiB.
    result = await aw(run("import sys\nsys.stdout.write('0123456789abcdef' * 196608)\n'end'", "python", stream_beta=True))
    assert result.success, error_of(result)
    assert "".join(result.logs.stdout) == "0123456789abcdef" * 196608, sum(map(len, result.logs.stdout))


def stream_of(code):
    return {"target": "wuying_codespace", "data": {"method": "run_code", "mode": "stream", "params": {"language": "python", "timeoutS": 30, "code": code}}}


@scenario("agb-ws-client")
async def ws_client(bench):
    kind = bench.sdk.thing("WsClient")
    session = await bench.session(IMAGE)
    states, events = [], []
    client = kind(ws_url=session.ws_url, ws_token=session.token)
    try:
        client.on_connection_state_change(lambda state, _why: states.append(state.value))
        client.connect()
        handles = [
            client.call_stream(**stream_of(f"print('number', {n})"), on_event=lambda _id, data: events.append(data), on_end=None, on_error=None)
            for n in range(3)
        ]
        ends = [handle.wait_end() for handle in handles]
        assert [end["status"] for end in ends] == ["finished"] * 3, ends
        printed = "".join(event.get("chunk", "") for event in events)
        assert all(f"number {n}\n" in printed for n in range(3)), events
        # What nobody waits for, in either direction, does not disturb the streams.
        forget = client.register_callback("wuying_codespace", lambda payload: None)
        client.send_message(target="nobody", data={"method": "nothing"})
        handles = [client.call_stream(**stream_of("print('after all')"), on_event=None, on_end=None, on_error=None)]
        assert handles[0].wait_end()["status"] == "finished"
        written = client.call_stream(**stream_of("import time; time.sleep(20)"), on_event=None, on_end=None, on_error=None)
        written.write({"method": "no-such-method"})
        try:
            written.wait_end()
        except Exception as error:
            assert "no-such-method" in str(error), error
        else:
            raise AssertionError("a method that there is not was taken")
        forget()
        client.unregister_callback("wuying_codespace")
        endless = client.call_stream(**stream_of("import time; time.sleep(30)"), on_event=None, on_end=None, on_error=None)
        endless.cancel()
    finally:
        client.close()
    await bench.sdk.until(lambda: "OPEN" in states and states[-1] == "CLOSED", "it told that it opened and closed")


@scenario("agb-ws-async")
async def ws_async(bench):
    kind = bench.sdk.thing("AsyncWsClient")
    session = await bench.session(IMAGE)

    async def work():
        client = kind(ws_url=session.ws_url, ws_token=session.token)
        try:
            await client.connect()
            calls = [stream_of(f"import time; time.sleep(0.2); print('async', {n})") for n in range(3)]
            handles = [await client.call_stream(**call, on_event=None, on_end=None, on_error=None) for call in calls]
            return await asyncio.gather(*(handle.wait_end() for handle in handles))
        finally:
            await client.close()

    ends = asyncio.run(work())
    assert [end["status"] for end in ends] == ["finished"] * 3, ends


@scenario("agb-ws-strangers")
async def ws_strangers(bench):
    kind = bench.sdk.thing("WsClient")
    session = await bench.create(image_id=IMAGE)
    wrong = kind(ws_url=session.ws_url, ws_token="not-the-token")
    try:
        wrong.connect()
    except Exception as error:
        assert "401" in str(error) or "403" in str(error), error
    else:
        raise AssertionError("a wrong token was let in")
    finally:
        wrong.close()
    # A session's streams end with it.
    result = await aw(bench.sdk.run_code(session)("1", "python", stream_beta=True))
    assert result.success, error_of(result)
    assert (await bench.delete(session)).success
    assert not plain.exists(session.session_id)
    late = await aw(bench.sdk.run_code(session)("print('still here')", "python", stream_beta=True))
    assert not late.success and "still here" not in "".join(late.logs.stdout), vars(late)
