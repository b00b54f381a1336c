"""Runs scenarios through an installed package, and reports them: what the programs of all Python SDKs have in common.

Import it before the SDK: the SDKs print and log to standard output, which is the report's.
"""

import asyncio
import importlib.util
import json
import os
import signal
import sys
import time
import traceback

# The report gets a descriptor of its own.
REPORT = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

from bench import SCENARIOS, Absent, Bench  # noqa: E402

LIMIT_S = 100
# Those that need more.
LIMITS_S = {"tool-direct-long": 120, "file-200-mb": 300, "agb-silent-minutes": 360}


def load(folder):
    for file in sorted(folder.glob("*_.py")):
        place = importlib.util.spec_from_file_location(f"scenarios_{folder.parent.name}_{file.stem}", file)
        place.loader.exec_module(importlib.util.module_from_spec(place))


def report(line):
    REPORT.write(json.dumps(line, ensure_ascii=False) + "\n")
    REPORT.flush()


def one_line(error):
    """The error and the scenario's line that raised it."""
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if "/scenarios/" in frame.filename]
    place = f"{os.path.basename(places[-1].filename)}:{places[-1].lineno}: " if places else ""
    text = " ".join(f"{place}{type(error).__name__}: {error}".split())
    return text[:500]


def out_of_time(_signal, _frame):
    raise TimeoutError("the scenario took too long")


async def within(limit, scenario, bench, mode):
    """A sync client blocks the thread, so a signal ends it; an async one is cancelled."""
    if mode == "async":
        return await asyncio.wait_for(scenario(bench), limit)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(limit)
    try:
        return await scenario(bench)
    finally:
        signal.alarm(0)


async def run(name, bench, mode):
    began = time.monotonic()
    try:
        await within(LIMITS_S.get(name, LIMIT_S), SCENARIOS[name], bench, mode)
        status, detail = "pass", ""
    except Absent as missing:
        status, detail = "absent", str(missing)
    except Exception as error:
        status, detail = "fail", one_line(error)
        traceback.print_exc()
    # Tidying up is not measured, and its failure is not the scenario's.
    await bench.tidy(broken=status == "fail")
    report({"scenario": name, "status": status, "detail": detail, "ms": round((time.monotonic() - began) * 1000)})


async def run_all(kind, folders, mode):
    sdk = kind(mode)
    report({"sdk": sdk.name, "version": sdk.version, "mode": mode})
    for folder in folders:
        load(folder)
    wanted = os.environ.get("ROADSTEAD_CONFORMANCE_SCENARIOS") or ",".join(SCENARIOS)
    bench = Bench(sdk)
    try:
        for name in wanted.split(","):
            if name in SCENARIOS:
                await run(name, bench, mode)
    finally:
        await bench.close()


def main(kind, folders):
    """Runs the scenarios of the folders with an SDK of this kind; the mode is the program's argument."""
    if sys.argv[1] == "async":
        asyncio.run(run_all(kind, folders, "async"))
    else:
        # No event loop may run around the synchronous client: nothing in here ever waits, so one step runs it all.
        try:
            run_all(kind, folders, "sync").send(None)
        except StopIteration:
            pass
    # Threads that an SDK left behind do not keep the column waiting.
    os._exit(0)
