"""A session is released; a tool call with auto_gen_session goes on under its id."""

from agentbay import AgentBay, CreateSessionParams, Session

bay = AgentBay()
session = bay.create(CreateSessionParams(image_id="linux_latest")).session
assert session.call_mcp_tool("shell", {"command": "echo one > /tmp/mark"}, auto_gen_session=True).success
assert bay.list().total_count == 1, "a live session is used"
assert session.delete().success

# Attached by its id: a session that knows a direct route takes it, and nothing of the parameter goes over that.
session = Session(bay, session.session_id)
without = session.call_mcp_tool("shell", {"command": "true"})
assert not without.success and "NotFound" in without.error_message, without.error_message
again = session.call_mcp_tool("shell", {"command": "cat /tmp/mark; echo two > /tmp/mark"}, auto_gen_session=True)
assert bay.list().total_count == 1, "a new session is there"
assert "one" not in (again.data or ""), again.data
same = session.call_mcp_tool("shell", {"command": "cat /tmp/mark"}, auto_gen_session=True)
assert same.success and "two" in same.data, (same.data, same.error_message)
found = bay.get(session.session_id)
assert found.success and found.session.session_id, found.error_message
assert found.session.delete().success
assert bay.list().total_count == 0
print("all done")
