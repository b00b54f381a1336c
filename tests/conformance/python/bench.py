"""What a scenario works with: the shared sessions, commands in either form, its own directory."""

import contextlib
import os

import plain
from sdk import Absent, aw, error_of, need, takes

__all__ = ["SCENARIOS", "Absent", "Bench", "Ran", "scenario"]

SCENARIOS = {}


def scenario(name):
    """Registers a scenario under its id of scenarios.toml."""

    def register(function):
        assert name not in SCENARIOS, name
        SCENARIOS[name] = function
        return function

    return register


class Ran:
    """A finished command. Before 0.13 the SDK has one text and no exit code, so those are None."""

    def __init__(self, result):
        self.success = result.success
        self.output = result.output or ""
        self.error = error_of(result)
        self.exit_code = getattr(result, "exit_code", None)
        self.stdout = getattr(result, "stdout", None)
        self.stderr = getattr(result, "stderr", None)
        self.text = self.output if self.stdout is None else self.stdout

    def __repr__(self):
        return str({name: str(value)[:300] for name, value in vars(self).items()})


class Bench:
    def __init__(self, sdk):
        self.sdk = sdk
        self.column = os.environ.get("ROADSTEAD_CONFORMANCE_COLUMN", "by-hand")
        self.bay = sdk.client()
        self.shared = {}
        self.extra = []

    # ---- sessions

    async def create(self, **fields):
        """A session of the scenario's own; it is deleted afterwards if the scenario did not do it."""
        fields = {**self.labels(), **fields}
        if "labels" in fields:
            fields["labels"] = {"conformance": self.column, **fields["labels"]}
        result = await aw(self.bay.create(self.sdk.params(**fields)))
        assert result.success and result.session, f"create: {error_of(result)}"
        self.extra.append(result.session)
        return result.session

    def labels(self, **labels):
        """The field for a create's labels, with the column's own; nothing where the release knows no labels."""
        if not takes(self.sdk.thing("CreateSessionParams"), "labels"):
            return {}
        return {"labels": {"conformance": self.column, **labels}}

    async def delete(self, session):
        return await self.sdk.delete(self.bay, session)

    async def session(self, image=None):
        """The shared session of an image."""
        if image not in self.shared:
            session = await self.create(**({"image_id": image} if image else {}))
            self.extra.remove(session)
            self.shared[image] = session
        return self.shared[image]

    async def tidy(self, broken=False):
        """Ends what the scenario left; after a failure the shared sessions too, as nobody knows what it did to them."""
        leaving, self.extra = self.extra, []
        if broken:
            leaving += self.shared.values()
            self.shared = {}
        for session in leaving:
            with contextlib.suppress(plain.Refused):
                plain.ask("ReleaseMcpSession", SessionId=session.session_id)

    async def close(self):
        await self.tidy(broken=True)

    # ---- commands and files

    def files(self, session):
        return self.sdk.files(session)

    def has_exit_codes(self, session):
        """Whether this SDK tells exit codes and streams apart."""
        return takes(self.sdk.execute(session), "cwd")

    async def run(self, session, command, timeout_ms=30000, **more):
        return Ran(await aw(self.sdk.execute(session)(command, timeout_ms=timeout_ms, **more)))

    async def sh(self, session, command):
        """The output of a command that must succeed."""
        ran = await self.run(session, command)
        assert ran.success, f"{command}: {ran}"
        return ran.text

    async def folder(self, session, name):
        """An empty directory for this scenario."""
        path = f"/tmp/conformance/{name}"
        await self.sh(session, f"rm -rf {path} && mkdir -p {path} && echo made")
        return path

    # ---- tools by name

    async def tool(self, session, name, args):
        """Calls a tool by its name: the public way where there is one, else the one that the modules use."""
        call = getattr(session, "call_mcp_tool", None)
        if call is None:
            call = need(session.command, "_call_mcp_tool")
        return await aw(call(name, args))
