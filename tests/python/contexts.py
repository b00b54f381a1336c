"""Contexts by the official SDK, in the steps that the test asks for: `fill`, then `empty ID`."""

import json
import sys
import urllib.request

from agentbay import AgentBay

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def transfer(url, method="GET", data=None):
    with OPENER.open(urllib.request.Request(url, data, method=method), timeout=60) as answer:
        assert answer.status == 200
        return answer.headers, answer.read()


def fill(contexts):
    made = contexts.get("my-project", create=True)
    assert made.success and made.context_id.startswith("SdkCtx-"), made.error_message
    again = contexts.get("my-project", create=True)
    assert again.context_id == made.context_id
    assert made.context_id in [entry.id for entry in contexts.list().contexts]
    for path, data in [("/tmp/notes/today #1.txt", b"remember"), ("/tmp/notes/large.bin", b"0123456789" * 1_200_000)]:
        url = contexts.get_file_upload_url(made.context_id, path)
        assert url.success, url.error_message
        headers, _ = transfer(url.url, "PUT", data)
        assert headers["ETag"]
        down = contexts.get_file_download_url(made.context_id, path)
        assert transfer(down.url)[1] == data
    listed = contexts.list_files(made.context_id, "/tmp/notes")
    assert [(entry.file_name, entry.size) for entry in listed.entries] == [("large.bin", 12_000_000), ("today #1.txt", 8)], listed.entries
    by_token = contexts.list_files(made.context_id, "/tmp/notes", max_results=1)
    more = contexts.list_files(made.context_id, "/tmp/notes", max_results=1, next_token=by_token.next_token)
    assert [entry.file_name for entry in by_token.entries + more.entries] == ["large.bin", "today #1.txt"]
    assert not more.next_token
    print(json.dumps({"id": made.context_id}))


def empty(contexts, context_id):
    gone = contexts.delete_file(context_id, "/tmp/notes/today #1.txt")
    assert gone.success, gone.error_message
    cleared = contexts.clear(context_id, timeout=30, poll_interval=0.1)
    assert cleared.success and cleared.status == "available", cleared.error_message
    assert contexts.list_files(context_id, "/tmp/notes").entries == []
    found = contexts.get("my-project").context
    found.name = "renamed"
    assert contexts.update(found).success
    assert contexts.delete(found).success
    assert not contexts.get("renamed").success
    print(json.dumps({"done": True}))


if __name__ == "__main__":
    service = AgentBay().context
    fill(service) if sys.argv[1] == "fill" else empty(service, sys.argv[2])
