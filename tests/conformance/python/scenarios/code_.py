"""Code kernels. Before 0.13 a result is one text; later it has parts."""

import base64
import threading
import time

import plain
from bench import scenario
from sdk import Absent, aw, error_of, need_parameter, said

IMAGE = "code_latest"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


async def code(bench, session, text, language="python", **more):
    return await aw(bench.sdk.run_code(session)(text, language, **more))


def is_rich(result):
    return hasattr(result, "results")


@scenario("code-run")
async def run(bench):
    session = await bench.session(IMAGE)
    result = await code(bench, session, "print('printed', 6 * 7)\n'the value'")
    assert result.success, error_of(result)
    assert "printed 42" in said(result), said(result)
    if is_rich(result):
        assert "".join(result.logs.stdout) == "printed 42\n", result.logs.stdout
        main = [item for item in result.results if item.is_main_result]
        assert len(main) == 1 and "the value" in main[0].text, [vars(item) for item in result.results]
    else:
        assert not result.result.lstrip().startswith("{"), result.result


@scenario("code-state")
async def state(bench):
    session = await bench.session(IMAGE)
    pids = []
    for text in ("import os\nkept = 41\nprint('pid', os.getpid())", "kept += 1\nprint('pid', os.getpid(), 'kept', kept)"):
        result = await code(bench, session, text)
        assert result.success, error_of(result)
        pids.append(said(result).split("pid", 1)[1].split()[0])
    assert "kept 42" in said(result), said(result)
    assert pids[0] == pids[1], pids
    name = plain.sh(session.session_id, f"cat /proc/{pids[0]}/comm")
    assert "python" in name.lower(), name


@scenario("code-error")
async def error(bench):
    session = await bench.session(IMAGE)
    assert (await code(bench, session, "before = 'kept'")).success
    result = await code(bench, session, "{}['no such key']")
    told = error_of(result) + said(result) + str(vars(getattr(result, "error", None) or object) if is_rich(result) else "")
    assert "KeyError" in told and "no such key" in told, told
    if is_rich(result):
        assert not result.success
    after = await code(bench, session, "print(before)")
    assert after.success and "kept" in said(after), said(after)


@scenario("code-rich")
async def rich(bench):
    session = await bench.session(IMAGE)
    bundle = {
        "text/plain": "words",
        "text/html": "<b>bold</b>",
        "text/markdown": "**bold**",
        "image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "image/png": PIXEL,
        "text/latex": "$x^2$",
        "application/json": {"a": [1, 2]},
    }
    result = await code(bench, session, f"from IPython.display import display\ndisplay({bundle!r}, raw=True)")
    if not is_rich(result):
        # The old form is text alone.
        assert result.success and "words" in said(result), said(result)
        return
    assert result.success, error_of(result)
    item = result.results[0]
    assert (item.html, item.markdown, item.latex) == (bundle["text/html"], bundle["text/markdown"], bundle["text/latex"]), vars(item)
    assert "<svg" in item.svg and item.json == bundle["application/json"], vars(item)
    assert base64.b64decode(item.png) == base64.b64decode(PIXEL)


@scenario("code-timeout")
async def timeout(bench):
    session = await bench.session(IMAGE)
    assert (await code(bench, session, "survivor = 'alive'")).success
    began = time.monotonic()
    result = await code(bench, session, "while True: pass", timeout_s=3)
    assert time.monotonic() - began < 25
    told = (error_of(result) + said(result)).lower()
    assert "time" in told or "interrupt" in told, told
    after = await code(bench, session, "print(survivor)")
    assert after.success and "alive" in said(after), (error_of(after), said(after))


@scenario("code-javascript")
async def javascript(bench):
    await language(bench, "javascript", "var kept = 20; console.log('first', kept * 2)", "kept += 1; console.log('then', kept * 2)", "then 42")


@scenario("code-r")
async def r_language(bench):
    await language(bench, "r", "kept <- 20\ncat('first', kept * 2, '\\n')", "kept <- kept + 1\ncat('then', kept * 2, '\\n')", "then 42")


@scenario("code-java")
async def java(bench):
    first = 'int kept = 20;\nSystem.out.println("first " + kept * 2);'
    await language(bench, "java", first, 'kept += 1;\nSystem.out.println("then " + kept * 2);', "then 42")


async def language(bench, name, first, then, wanted):
    session = await bench.session(IMAGE)
    try:
        result = await code(bench, session, first, name)
    except ValueError as error:
        result, refusal = None, str(error)
    else:
        refusal = "" if result.success else error_of(result)
    if "unsupported language" in refusal.lower():
        raise Absent(f"run_code(language={name!r})")
    assert result.success and "first 40" in said(result), (refusal, said(result))
    result = await code(bench, session, then, name)
    assert result.success and wanted in said(result), (error_of(result), said(result))


@scenario("code-stream")
async def stream(bench):
    session = await bench.session(IMAGE)
    need_parameter(bench.sdk.run_code(session), "stream_beta")
    folder = await bench.folder(session, "stream")
    chunks, made = [], threading.Event()

    def on_stdout(chunk):
        chunks.append(chunk)
        if "one" in "".join(chunks) and not made.is_set():
            made.set()
            # Made only now, and the code waits for it: without streaming it would wait for ever.
            plain.sh(session.session_id, f"touch {folder}/seen")

    text = (
        "import os, sys, time\nprint('one', flush=True)\n"
        f"end = time.time() + 20\nwhile not os.path.exists('{folder}/seen') and time.time() < end: time.sleep(0.02)\n"
        f"print('two' if os.path.exists('{folder}/seen') else 'nobody came', flush=True)"
    )
    result = await code(bench, session, text, timeout_s=40, stream_beta=True, on_stdout=on_stdout)
    assert result.success, error_of(result)
    assert "".join(chunks) == "one\ntwo\n", chunks
