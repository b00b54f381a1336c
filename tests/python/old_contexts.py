"""What the releases 0.9 to 0.12 do around a session, the context for file transfer among it."""

from agentbay import AgentBay
from agentbay.session_params import CreateSessionParams

bay = AgentBay()
made = bay.create(CreateSessionParams(image_id="linux_latest"))
assert made.success, made.error_message
session = made.session

result = session.command.execute_command("echo plain text")
assert result.success and result.output == "plain text\n", (result.output, result.error_message)
failed = session.command.execute_command("exit 7")
assert not failed.success and "7" in failed.error_message, failed.error_message

found = bay.get(session.session_id)
assert found.success, found.error_message
assert found.session.session_id == session.session_id
# 0.9 does not show the list yet.
contexts = getattr(bay.get_session(session.session_id).data, "contexts", None)
if contexts is not None:
    names = [context["name"] for context in contexts]
    assert len(names) == 1 and names[0].startswith("file-transfer-context-"), names

other = bay.context.get("my own data", create=True)
assert other.success and other.context_id, vars(other)
assert bay.context.delete(other.context).success

deleted = bay.delete(session)
assert deleted.success, deleted.error_message
print("all done")
