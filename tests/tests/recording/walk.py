"""Every call that the recording compares, by the official SDK. Whether a call succeeds does not matter: its request does."""

import os
import sys
import warnings

warnings.simplefilter("ignore")
from agentbay import AgentBay, Config, CreateSessionParams  # noqa: E402


def main() -> None:
    client = AgentBay(api_key="akm-test", cfg=Config(endpoint=sys.argv[1], timeout_ms=5000))
    params = CreateSessionParams(image_id="linux_latest", labels={"suite": "recording"}, idle_release_timeout=90)
    session = client.create(params).session
    client.list(labels={"suite": "recording"}, limit=5)
    client.get(session.session_id)
    session.set_labels({"a": "1", "b": "2"})
    session.get_labels()
    session.info()
    session.get_link("https", 30100)
    session.keep_alive()
    session.get_status()
    session.list_mcp_tools()
    session.command.execute_command("echo $A", timeout_ms=4000, cwd="/tmp", envs={"A": "1"})
    session.call_mcp_tool("shell", {"command": "true"})
    session.code.run_code("1 + 1", "python", 30)
    files = session.file_system
    files.write_file("/tmp/a", "text")
    files.write_file("/tmp/a", "more", "append")
    files.read_file("/tmp/a", format="bytes")
    files.create_directory("/tmp/d")
    files.list_directory("/tmp/d")
    files.edit_file("/tmp/a", [{"oldText": "x", "newText": "y"}], dry_run=True)
    files.move_file("/tmp/a", "/tmp/b")
    files.search_files("/tmp", "*.txt", exclude_patterns=["no"])
    files.get_file_info("/tmp/b")
    files.delete_file("/tmp/b")
    session.env.set({"A": "1"})
    session.env.get(["A"])
    session.get_metrics()
    client.delete(session)


main()
os._exit(0)
