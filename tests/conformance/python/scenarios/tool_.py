"""Tools by name, and the route that calls take."""

import time

import plain
from bench import scenario
from sdk import Absent, aw, error_of, need


@scenario("tools-list")
async def tools_list(bench):
    session = await bench.session()
    try:
        result = await aw(need(session, "list_mcp_tools")())
    except ModuleNotFoundError as error:
        # A release that was published without one of its own modules.
        assert error.name.startswith("agentbay."), error
        raise Absent(f"list_mcp_tools: the package lacks {error.name}") from None
    tools = {tool.name: tool for tool in result.tools}
    assert {"shell", "read_file", "write_file", "list_directory"} <= set(tools), sorted(tools)
    assert tools["shell"].server == "wuying_shell", tools["shell"].server
    assert tools["read_file"].server == "wuying_filesystem", tools["read_file"].server
    if hasattr(tools["shell"], "input_schema"):
        assert tools["shell"].description, "no description"
        assert "command" in str(tools["shell"].input_schema), tools["shell"].input_schema


@scenario("tool-call")
async def call(bench):
    session = await bench.session()
    folder = await bench.folder(session, "tool")
    result = await aw(need(session, "call_mcp_tool")("write_file", {"path": f"{folder}/made", "content": "by name", "mode": "overwrite"}))
    assert result.success, error_of(result)
    assert plain.sh(session.session_id, f"cat {folder}/made") == "by name"


@scenario("tool-call-failure")
async def call_failure(bench):
    session = await bench.session()
    result = await aw(need(session, "call_mcp_tool")("read_file", {"path": "/tmp/conformance/not-there"}))
    assert not result.success and "not-there" in error_of(result), error_of(result)


@scenario("tool-unknown")
async def unknown(bench):
    session = await bench.session()
    result = await bench.tool(session, "no_such_tool", {})
    assert not result.success and "no_such_tool" in error_of(result), error_of(result)


def link_url(session):
    """The direct route's address, as the SDK took it from the server."""
    call = getattr(session, "get_link_url", None)
    if call is None:
        raise Absent("Session.get_link_url")
    return call()


@scenario("tool-direct")
async def direct(bench):
    session = await bench.session()
    url = link_url(session)
    assert url and session.get_token(), "the server offered no direct route"
    folder = await bench.folder(session, "direct")
    result = await aw(session.call_mcp_tool("write_file", {"path": f"{folder}/made", "content": "directly", "mode": "overwrite"}))
    assert result.success, error_of(result)
    # The SDK tells the routes apart by the request id that it made itself.
    assert result.request_id.startswith("link-"), result.request_id
    assert plain.sh(session.session_id, f"cat {folder}/made") == "directly"
    failed = await aw(session.call_mcp_tool("read_file", {"path": f"{folder}/not-there"}))
    assert not failed.success and "not-there" in error_of(failed), error_of(failed)


@scenario("tool-direct-long")
async def direct_long(bench):
    session = await bench.session()
    assert link_url(session), "the server offered no direct route"
    began = time.monotonic()
    result = await aw(session.call_mcp_tool("shell", {"command": "sleep 65; echo awake", "timeout_ms": 90000}))
    assert result.success and "awake" in result.data, error_of(result)
    assert time.monotonic() - began > 64
