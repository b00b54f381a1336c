"""Terminals over the WebSocket."""

import contextlib

import plain
from bench import scenario
from sdk import aw, need


class Screen:
    """What a terminal wrote."""

    def __init__(self):
        self.bytes = b""

    def write(self, data):
        self.bytes += data if isinstance(data, bytes) else data.encode()

    @property
    def text(self):
        return self.bytes.decode(errors="replace")


@contextlib.asynccontextmanager
async def terminal(bench, **settings):
    session = await bench.session()
    module, screen = need(session, "pty"), Screen()
    handle = await aw(module.create(on_data=screen.write, **settings))
    try:
        yield session, module, handle, screen
    finally:
        with contextlib.suppress(Exception):
            await aw(module.kill(handle.pty_session_id))


async def typed(handle, text):
    await aw(handle.send_input(text.encode()))


@scenario("pty-run")
async def run(bench):
    async with terminal(bench, cwd="/tmp", envs={"COLOUR": "blue"}) as (session, _, handle, screen):
        await typed(handle, 'echo "[$((6 * 7)) $COLOUR $(pwd) $(tty)]"\n')
        await bench.sdk.until(lambda: "[42 blue /tmp /dev/pts/" in screen.text, f"the output is there: {screen.text!r}")
        await typed(handle, "sleep 600\n")
        # Before it runs, the terminal is still the shell's, which an interrupt would not end.
        plain.sh(session.session_id, "until pgrep -f '^sleep 60[0]'; do sleep 0.02; done")
        await typed(handle, "\x03")
        await typed(handle, "echo after-$((1 + 1))\n")
        await bench.sdk.until(lambda: "after-2" in screen.text, "Ctrl-C ended the sleep")
        await typed(handle, "exit 5\n")
        await bench.sdk.until(lambda: handle.exit_code is not None, "it ended")
        assert handle.exit_code == 5, handle.exit_code


@scenario("pty-list-connect")
async def list_connect(bench):
    async with terminal(bench) as (_, module, handle, _):
        await typed(handle, "secret=remembered\n")
        assert handle.pty_session_id in [entry.pty_session_id for entry in await aw(module.list())]
        screen = Screen()
        again = await aw(module.connect(handle.pty_session_id, on_data=screen.write))
        assert again.pty_session_id == handle.pty_session_id
        await typed(again, 'echo "[$secret]"\n')
        await bench.sdk.until(lambda: "[remembered]" in screen.text, "the terminal is the same one")


@scenario("pty-resize")
async def resize(bench):
    async with terminal(bench, cols=91, rows=27) as (_, _, handle, screen):
        await typed(handle, "stty size\n")
        await bench.sdk.until(lambda: "27 91" in screen.text, "the first size")
        await aw(handle.resize(133, 44))
        await typed(handle, "stty size\n")
        await bench.sdk.until(lambda: "44 133" in screen.text, "the second size")


@scenario("pty-kill")
async def kill(bench):
    async with terminal(bench) as (session, module, handle, screen):
        await typed(handle, "echo pid=$$.\n")
        await bench.sdk.until(lambda: "pid=" in screen.text.replace("pid=$$", ""), "the shell's pid")
        pid = screen.text.replace("pid=$$", "").split("pid=")[1].split(".")[0]
        await aw(handle.kill())

        def gone():
            return plain.sh(session.session_id, f"test -e /proc/{pid} && echo there || echo gone") == "gone\n"

        await bench.sdk.until(gone, "its process is gone")
        assert handle.pty_session_id not in [entry.pty_session_id for entry in await aw(module.list())]
