"""The second path: the protocol by hand, past the SDK."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):
    """The server's error: `code` is its Code."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body.get('Code')}: {body.get('Message')}")
        self.status, self.code = status, body.get("Code")


def ask(action, **params):
    """Asks for an action; the body of the answer, or Refused."""
    query = urllib.parse.urlencode({"Action": action, "Version": "2025-05-06", "Format": "json"})
    form = urllib.parse.urlencode({"Authorization": "Bearer " + os.environ["AGENTBAY_API_KEY"], **params})
    request = urllib.request.Request(f"{os.environ['ROADSTEAD_CONFORMANCE_URL']}/?{query}", form.encode())
    try:
        with OPENER.open(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refused(error.code, json.load(error)) from None


def agb(method, path, body=None, **query):
    """The answer of the AGB dialect, whatever it says."""
    head = {"Authorization": "Bearer " + os.environ["AGB_API_KEY"], "Content-Type": "application/json"}
    address = f"{os.environ['ROADSTEAD_CONFORMANCE_URL']}{path}?{urllib.parse.urlencode(query)}"
    data = None if method == "GET" else json.dumps(body or {}).encode()
    request = urllib.request.Request(address, data, head, method=method)
    try:
        with OPENER.open(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def sh(session_id, command):
    """Standard output of a command that must succeed."""
    body = ask("CallMcpTool", SessionId=session_id, Name="shell", Args=json.dumps({"command": command, "timeout_ms": 50000}))
    text = body["Data"]["content"][0]["text"]
    try:
        result = json.loads(text)
    except ValueError:
        result = None
    if not (isinstance(result, dict) and "exit_code" in result):
        # A session that an old SDK made answers in the old form, which is the output alone.
        assert not body["Data"]["isError"], text
        return text
    assert result["exit_code"] == 0, f"{command}: {result}"
    return result["stdout"]


def exists(session_id):
    """Whether the server still knows a session."""
    try:
        ask("GetSession", SessionId=session_id)
        return True
    except Refused as refused:
        assert refused.code == "InvalidMcpSession.NotFound", refused
        return False


def find(labels):
    """Entries of the server's list with these labels."""
    return ask("ListSession", Labels=json.dumps(labels), MaxResults="100")["Data"]
