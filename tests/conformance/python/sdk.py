"""What differs between SDKs and between their releases.

Everything here asks the package what it can do; nothing asks for its version. Scenarios speak the AgentBay package's
names; where another package has its own, `Renamed` finds them.
"""

import asyncio
import concurrent.futures
import contextlib
import importlib
import importlib.metadata
import inspect
import time
import types


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


def said(result):
    """All that code printed or came out with, as one text, whatever the form."""
    parts = [str(getattr(result, "result", None) or "")]
    parts += [str(item.text or "") for item in getattr(result, "results", [])]
    logs = getattr(result, "logs", None)
    if logs is not None:
        parts += [*logs.stdout, *logs.stderr]
    return "\n".join(parts)


def fields(value):
    """What a result holds, whether the SDK gives an object or a dictionary."""
    return types.SimpleNamespace(**value) if isinstance(value, dict) else value


class Renamed:
    """A module of the SDK under other names: its methods as they are, found by either name."""

    def __init__(self, module, names):
        self._module, self._names = module, names
        self.__name__ = type(module).__name__

    def __getattr__(self, name):
        found = getattr(self._module, self._names.get(name, name), None)
        return getattr(self._module, name) if found is None else found


class Sdk:
    """A package: its version, its clients, its classes. Each vendor's is a subclass."""

    name = package = root = ""
    # Where releases keep their classes, below the root.
    places = ("",)
    # Calls that show a text of their own instead of the server's message.
    hides = frozenset()

    def __init__(self, mode):
        self.mode = mode
        self.version = importlib.metadata.version(self.package)

    def client(self, **settings):
        raise NotImplementedError

    def files(self, session):
        raise NotImplementedError

    def execute(self, session):
        """The call that runs a command."""
        raise NotImplementedError

    def run_code(self, session):
        """The call that runs code."""
        raise NotImplementedError

    def simplest(self):
        """The arguments of the simplest create."""
        return ()

    async def delete(self, client, session):
        return await aw(session.delete())

    def thing(self, name):
        """A class of the package, wherever this release keeps it."""
        for place in self.places:
            with contextlib.suppress(ImportError):
                found = getattr(importlib.import_module(self.root + place), name, None)
                if found is not None:
                    return found
        raise Absent(f"{self.root}.{name}")

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
