"""Links: reached with the standard library alone."""

import base64
import os
import socket
import ssl
import urllib.parse
import urllib.request

import plain
from bench import scenario
from sdk import aw, error_of

SERVERS = {
    # A web server that tells its own text, and a WebSocket server that gives back what it gets.
    30151: "import http.server as h\n"
    "class H(h.BaseHTTPRequestHandler):\n"
    "  def do_GET(s):\n    s.send_response(200); s.end_headers(); s.wfile.write(b'from inside '+s.path.encode())\n"
    "h.ThreadingHTTPServer(('127.0.0.1',30151),H).serve_forever()\n",
    30152: "import base64,hashlib,socket\n"
    "l=socket.create_server(('127.0.0.1',30152))\n"
    "while True:\n"
    "  c,_=l.accept(); d=b''\n"
    "  while b'\\r\\n\\r\\n' not in d:\n"
    "    p=c.recv(4096)\n"
    "    if not p: break\n"
    "    d+=p\n"
    "  k=[x.split(b':',1)[1].strip() for x in d.split(b'\\r\\n') if x.lower().startswith(b'sec-websocket-key')]\n"
    "  if not k: c.close(); continue\n"
    "  a=base64.b64encode(hashlib.sha1(k[0]+b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest())\n"
    "  c.sendall(b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: '+a+b'\\r\\n\\r\\n')\n"
    "  h=c.recv(2); n=h[1]&127; m=c.recv(4); b=c.recv(n)\n"
    "  t=bytes(x^m[i%4] for i,x in enumerate(b))[::-1]\n"
    "  c.sendall(bytes([129,len(t)])+t)\n",
}


@scenario("link-https")
async def https(bench):
    session = await bench.session()
    await serve(bench, session, 30151)
    result = await aw(session.get_link(protocol_type="https", port=30151))
    assert result.success and result.data.startswith("https://"), (error_of(result), result.data)
    base, _, query = result.data.partition("?")
    for path in ("", "some/path"):
        url = base.rstrip("/") + "/" + path + ("?" + query if query else "")
        with urllib.request.urlopen(url, timeout=20) as answer:
            text = answer.read().decode()
            assert answer.status == 200 and text.startswith("from inside /" + path), text


@scenario("link-wss")
async def wss(bench):
    session = await bench.session()
    await serve(bench, session, 30152)
    result = await aw(session.get_link(protocol_type="wss", port=30152))
    assert result.success and result.data.startswith("wss://"), (error_of(result), result.data)
    assert echoed(result.data, b"hello") == b"olleh"


@scenario("link-refused-port")
async def refused_port(bench):
    session = await bench.session()
    try:
        result = await aw(session.get_link(protocol_type="https", port=8080))
        assert not result.success, result.data
        text = error_of(result)
    except AssertionError:
        raise
    except Exception as error:
        text = str(error)
    if "get_link" in bench.sdk.hides:
        text = plain.agb("GET", "/internet/getLink", sessionId=session.session_id, protocolType="https", port=8080)["message"]
    assert "30100" in text and "30199" in text, text


async def serve(bench, session, port):
    folder = await bench.folder(session, f"serve-{port}")
    program = base64.b64encode(SERVERS[port].encode()).decode()
    plain.sh(session.session_id, f"echo {program} | base64 -d > {folder}/server.py")
    plain.sh(session.session_id, f"pkill -f '[s]erve-{port}/server.py' || true")
    plain.sh(session.session_id, f"setsid python3 {folder}/server.py >{folder}/log 2>&1 & echo started")

    def listens():
        return plain.sh(session.session_id, f"grep -c ':{port:04X} .* 0A ' /proc/net/tcp || true").strip() != "0"

    await bench.sdk.until(listens, f"port {port} is served")


def echoed(url, text):
    """One text message there and one back, over a socket of our own."""
    parts = urllib.parse.urlsplit(url)
    raw = socket.create_connection((parts.hostname, parts.port or 443), timeout=20)
    with ssl.create_default_context().wrap_socket(raw, server_hostname=parts.hostname) as stream:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        key = base64.b64encode(os.urandom(16)).decode()
        stream.sendall(
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        reader = stream.makefile("rb")
        status = reader.readline()
        assert b" 101 " in status, status
        while reader.readline().strip():
            pass
        mask = os.urandom(4)
        stream.sendall(bytes([0x81, 0x80 | len(text)]) + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(text)))
        head = reader.read(2)
        return reader.read(head[1] & 0x7F)
