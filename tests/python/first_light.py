"""The official AgentBay SDK, unmodified, through everything a session can do today.

Usage: first_light.py sync|async      (endpoint, key and CA come from the environment)

Prints one `ok NAME` line per step and a closing count; any failure ends with a traceback and a non-zero code.
The steps are written once: `aw` waits where the asynchronous client needs it.
"""

import asyncio
import inspect
import ssl
import sys
import time
import urllib.request

import agentbay

DONE = []


async def aw(value):
    return await value if inspect.isawaitable(value) else value


def ok(name):
    DONE.append(name)
    print("ok", name, flush=True)


def fetch(url):
    """Fetches with the standard library alone, so that a link is checked without the SDK."""
    with urllib.request.urlopen(url, context=ssl.create_default_context(), timeout=20) as answer:
        return answer.status, answer.read().decode()


async def create_and_look(bay):
    result = await aw(bay.create(agentbay.CreateSessionParams(labels={"suite": "first-light", "mode": sys.argv[1]})))
    assert result.success, result.error_message
    assert result.request_id
    session = result.session
    assert session.session_id.startswith("session-"), session.session_id
    status = await aw(session.get_status())
    assert status.success and status.status == "RUNNING", vars(status)
    ok("create")
    return session


async def commands(session):
    run = session.command.execute_command
    who = await aw(run("id -un; id -u; pwd; echo $HOME"))
    assert who.success and who.exit_code == 0, vars(who)
    assert who.stdout.split() == ["wuying", "1000", "/home/wuying", "/home/wuying"], who.stdout

    failed = await aw(run("echo out; echo err >&2; exit 7"))
    assert not failed.success and failed.exit_code == 7, vars(failed)
    assert failed.stdout == "out\n" and failed.stderr == "err\n", vars(failed)

    missing = await aw(run("no-such-program"))
    assert missing.exit_code == 127 and "not found" in missing.stderr, vars(missing)

    placed = await aw(run("pwd; echo $COLOUR", cwd="/tmp", envs={"COLOUR": "dark blue"}))
    assert placed.stdout == "/tmp\ndark blue\n", placed.stdout

    raw = await aw(run(r"printf 'a\000b\001c\n'"))
    assert raw.stdout == "a\0b\1c\n", repr(raw.stdout)
    ok("commands")

    # A double-forked, detached child must not outlive the time-out; its trace is looked for by another command.
    began = time.monotonic()
    slow = await aw(run("(setsid sleep 987 >/dev/null 2>&1 &) ; echo started; sleep 60", timeout_ms=1500))
    assert time.monotonic() - began < 30
    assert not slow.success and slow.exit_code != 0, vars(slow)
    assert "started" in slow.stdout and "timed out" in (slow.stderr + slow.error_message), vars(slow)
    left = await aw(run("pgrep -f 'sleep [9]87' | wc -l"))
    assert left.stdout.strip() == "0", left.stdout
    ok("time-out kills everything")

    detached = await aw(run("setsid sleep 654 >/dev/null 2>&1 & echo parent done"))
    assert detached.success and detached.stdout == "parent done\n", vars(detached)
    alive = await aw(run("pgrep -f 'sleep [6]54' | wc -l"))
    assert alive.stdout.strip() == "1", alive.stdout
    await aw(run("pkill -f 'sleep [6]54'"))
    ok("background work lives on")


async def files(session):
    fs, run = session.file_system, session.command.execute_command
    text = "grüße, 世界\nsecond line\n"
    written = await aw(fs.write_file("/home/wuying/project/deep/hello.txt", text))
    assert written.success, written.error_message
    seen = await aw(run("cat /home/wuying/project/deep/hello.txt; stat -c %U /home/wuying/project/deep/hello.txt"))
    assert seen.stdout == text + "wuying\n", repr(seen.stdout)

    await aw(run("printf 'from the shell' > /home/wuying/project/shell.txt"))
    read = await aw(fs.read_file("/home/wuying/project/shell.txt"))
    assert read.success and read.content == "from the shell", vars(read)

    appended = await aw(fs.write_file("/home/wuying/project/shell.txt", "!", mode="append"))
    assert appended.success
    assert (await aw(fs.read_file("/home/wuying/project/shell.txt"))).content == "from the shell!"

    await aw(run("head -c 300000 /dev/urandom > /tmp/blob; sha256sum /tmp/blob > /tmp/blob.sum"))
    blob = await aw(fs.read_file("/tmp/blob", format="bytes"))
    assert blob.success and len(blob.content) == 300000, vars(blob)
    import hashlib

    told = (await aw(run("cut -d' ' -f1 /tmp/blob.sum"))).stdout.strip()
    assert hashlib.sha256(blob.content).hexdigest() == told

    long_text = "".join(f"{n} zeichen äöü 漢字\n" for n in range(20000))
    assert (await aw(fs.write_file("/tmp/long.txt", long_text))).success
    assert (await aw(fs.read_file("/tmp/long.txt"))).content == long_text
    lines = await aw(run("wc -l < /tmp/long.txt"))
    assert lines.stdout.strip() == "20000", lines.stdout
    ok("read and write")

    info = await aw(fs.get_file_info("/home/wuying/project/deep/hello.txt"))
    assert info.success and int(info.file_info["size"]) == len(text.encode()), vars(info)
    assert info.file_info["isDirectory"] in (False, "false"), info.file_info
    missing = await aw(fs.get_file_info("/home/wuying/nothing"))
    assert not missing.success and missing.error_message, vars(missing)

    edited = await aw(fs.edit_file("/home/wuying/project/deep/hello.txt", [{"oldText": "second", "newText": "2nd"}]))
    assert edited.success, edited.error_message
    assert "2nd line" in (await aw(run("cat /home/wuying/project/deep/hello.txt"))).stdout
    dry = await aw(fs.edit_file("/home/wuying/project/deep/hello.txt", [{"oldText": "2nd", "newText": "3rd"}], dry_run=True))
    assert dry.success
    assert "2nd line" in (await aw(run("cat /home/wuying/project/deep/hello.txt"))).stdout

    assert (await aw(fs.create_directory("/home/wuying/project/empty"))).success
    listing = await aw(fs.list_directory("/home/wuying/project"))
    kinds = {entry.name: entry.is_directory for entry in listing.entries}
    assert kinds == {"deep": True, "empty": True, "shell.txt": False}, kinds

    moved = await aw(fs.move_file("/home/wuying/project/shell.txt", "/home/wuying/project/moved.txt"))
    assert moved.success, moved.error_message
    found = await aw(fs.search_files("/home/wuying/project", "*.txt"))
    assert sorted(found.matches) == ["/home/wuying/project/deep/hello.txt", "/home/wuying/project/moved.txt"], found.matches
    none = await aw(fs.search_files("/home/wuying/project", "*.rs"))
    assert none.success and not [match for match in none.matches if match.startswith("/")], none.matches

    both = await aw(fs.read_multiple_files(["/home/wuying/project/moved.txt", "/home/wuying/project/deep/hello.txt"]))
    assert both.success and both.contents["/home/wuying/project/moved.txt"].strip() == "from the shell!", both.contents

    gone = await aw(fs.delete_file("/home/wuying/project/moved.txt"))
    assert gone.success, gone.error_message
    assert (await aw(run("test -e /home/wuying/project/moved.txt"))).exit_code == 1
    ok("the file group")


async def labels_and_info(bay, session):
    set_to = {"suite": "first-light", "mode": sys.argv[1], "owner": "tester"}
    assert (await aw(session.set_labels(set_to))).success
    got = await aw(session.get_labels())
    assert got.success and got.data == set_to, vars(got)
    refused = await aw(session.set_labels({"empty": ""}))
    assert not refused.success, vars(refused)

    info = await aw(session.info())
    assert info.success and info.data.session_id == session.session_id, vars(info)
    assert len(info.data.resource_url) >= 100 and len(info.data.auth_code) >= 50 and len(info.data.ticket) >= 80
    assert "authMode" in info.data.connection_properties
    status, page = fetch(info.data.resource_url)
    assert status == 200 and session.session_id in page
    assert (await aw(session.keep_alive())).success
    ok("labels, info, keep-alive")


async def list_pages(bay):
    made = []
    for n in range(5):
        result = await aw(bay.create(agentbay.CreateSessionParams(labels={"suite": "paging", "mode": sys.argv[1], "n": str(n)})))
        assert result.success, result.error_message
        made.append(result.session)
    wanted = {session.session_id for session in made}
    seen = []
    for page in (1, 2, 3):
        result = await aw(bay.list(labels={"suite": "paging", "mode": sys.argv[1]}, page=page, limit=2))
        assert result.success and result.total_count == 5, vars(result)
        seen += [entry["sessionId"] if isinstance(entry, dict) else entry for entry in result.session_ids]
    assert len(seen) == 5 and set(seen) == wanted, (seen, wanted)
    past = await aw(bay.list(labels={"suite": "paging", "mode": sys.argv[1]}, page=4, limit=2))
    assert not past.success, vars(past)
    one = await aw(bay.list(labels={"suite": "paging", "mode": sys.argv[1], "n": "3"}))
    assert one.total_count == 1
    for session in made:
        assert (await aw(bay.delete(session))).success
    empty = await aw(bay.list(labels={"suite": "paging", "mode": sys.argv[1]}))
    assert empty.success and empty.total_count == 0, vars(empty)
    ok("list, labels filter, paging")


async def link(session):
    run = session.command.execute_command
    await aw(run("mkdir -p /tmp/www && echo hello-through-a-link > /tmp/www/index.html"))
    await aw(run("cd /tmp/www && nohup python3 -m http.server 30150 >/dev/null 2>&1 &"))
    wait = "import socket,time\nfor _ in range(400):\n  try: socket.create_connection(('127.0.0.1',30150)).close(); break\n  except OSError: time.sleep(0.02)\n"
    up = await aw(run(f'python3 -c "{wait}"'))
    assert up.success, vars(up)
    result = await aw(session.get_link(protocol_type="https", port=30150))
    assert result.success and result.data.startswith("https://"), vars(result)
    status, body = fetch(result.data)
    assert status == 200 and body == "hello-through-a-link\n", (status, body)
    ok("link to a port")


async def tools(session):
    listed = await aw(session.list_mcp_tools())
    names = {tool.name for tool in listed.tools}
    assert {"shell", "read_file", "write_file", "list_directory"} <= names, names
    raw = await aw(session.call_mcp_tool("shell", {"command": "echo raw", "timeout_ms": 5000}))
    assert raw.success and "raw" in raw.data, vars(raw)
    unknown = await aw(session.call_mcp_tool("no_such_tool", {}))
    assert not unknown.success and "no_such_tool" in unknown.error_message, vars(unknown)
    ok("tools")


async def recover_and_delete(bay, session):
    again = await aw(bay.get(session.session_id))
    assert again.success, again.error_message
    same = await aw(again.session.command.execute_command("cat /tmp/www/index.html"))
    assert same.stdout == "hello-through-a-link\n", vars(same)
    deleted = await aw(again.session.delete())
    assert deleted.success, deleted.error_message
    gone = await aw(bay.get(session.session_id))
    assert not gone.success, vars(gone)
    after = await aw(session.command.execute_command("echo still here"))
    assert not after.success and "still here" not in after.stdout, vars(after)
    ok("recover and delete")


async def main():
    bay = agentbay.AsyncAgentBay() if sys.argv[1] == "async" else agentbay.AgentBay()
    session = await create_and_look(bay)
    await commands(session)
    await files(session)
    await labels_and_info(bay, session)
    await list_pages(bay)
    await link(session)
    await tools(session)
    await recover_and_delete(bay, session)
    print(f"{len(DONE)} steps done")


if sys.argv[1] == "async":
    asyncio.run(main())
else:
    # No event loop may run around the synchronous client: nothing in here ever waits, so one step runs it all.
    try:
        main().send(None)
    except StopIteration:
        pass
