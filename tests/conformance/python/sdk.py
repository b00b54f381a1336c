"""What differs between the releases of the SDK, in one place.

Everything here asks the package what it can do; nothing asks for its version.
"""

import asyncio
import concurrent.futures
import contextlib
import importlib
import importlib.metadata
import inspect
import time

import agentbay


class Absent(Exception):
    """The SDK at this version has no such call."""


async def aw(value):
    """Waits where the asynchronous client needs it."""
    return await value if inspect.isawaitable(value) else value


def need(thing, name):
    """An attribute that older releases lack."""
    found = getattr(thing, name, None)
    if found is None:
        raise Absent(f"{getattr(thing, '__name__', type(thing).__name__)}.{name}")
    return found


def takes(call, parameter):
    return parameter in inspect.signature(call).parameters


def need_parameter(call, parameter):
    if not takes(call, parameter):
        raise Absent(f"{call.__name__}({parameter}=)")


def error_of(result):
    """A result's own words for what went wrong."""
    texts = [getattr(result, name, "") or "" for name in ("error_message", "error", "message", "output")]
    return " ".join(str(text) for text in texts if text)


class Sdk:
    """The package: its version, its clients, its classes."""

    def __init__(self, mode):
        self.mode = mode
        self.version = importlib.metadata.version("wuying-agentbay-sdk")
        self.client_class = agentbay.AgentBay if mode == "sync" else agentbay.AsyncAgentBay

    def client(self, **settings):
        return self.client_class(**settings)

    def thing(self, name):
        """A class of the package, wherever this release keeps it."""
        for module in ("", ".config", ".api.models", ".session_params", ".context", ".context_sync", ".browser.browser", ".browser"):
            with contextlib.suppress(ImportError):
                found = getattr(importlib.import_module("agentbay" + module), name, None)
                if found is not None:
                    return found
        raise Absent(f"agentbay.{name}")

    def params(self, **fields):
        kind = self.thing("CreateSessionParams")
        for name in fields:
            need_parameter(kind, name)
        return kind(**fields)

    async def pause(self, seconds):
        if self.mode == "async":
            await asyncio.sleep(seconds)
        else:
            time.sleep(seconds)

    async def until(self, condition, what, limit_s=30):
        """Asks until it is so. `condition` may be a coroutine function; its last true value is returned."""
        end = time.monotonic() + limit_s
        while True:
            value = await aw(condition())
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"still not so after {limit_s} s: {what}")
            await self.pause(0.05)

    async def together(self, calls):
        """Runs calls at once: tasks for the asynchronous client, threads for the other."""
        if self.mode == "async":
            return await asyncio.gather(*(call() for call in calls))
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            return [future.result() for future in [pool.submit(call) for call in calls]]
