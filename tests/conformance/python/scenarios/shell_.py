"""Commands. Before 0.13 the SDK gives one text and says success; exit codes and streams came later."""

import hashlib
import time

import plain
from bench import Ran, scenario
from sdk import need_parameter


@scenario("shell-output")
async def output(bench):
    session = await bench.session()
    text = "erste Zeile: grüße\n世界 🚢\n\tTab und \"quotes\" und \\back\\\n"
    folder = await bench.folder(session, "output")
    plain.sh(session.session_id, f"cat > {folder}/text <<'END'\n{text}END")
    ran = await bench.run(session, f"cat {folder}/text")
    assert ran.success and ran.text == text, ran


@scenario("shell-plain-text")
async def plain_text(bench):
    session = await bench.session()
    ran = await bench.run(session, "echo out; echo err >&2")
    assert ran.success, ran
    if bench.has_exit_codes(session):
        assert ran.stdout == "out\n" and ran.stderr == "err\n", ran
    else:
        assert ran.output.startswith("out\n") and "exit_code" not in ran.output, ran


@scenario("shell-exit-code")
async def exit_code(bench):
    session = await bench.session()
    for command, code in (("true", 0), ("echo some words; exit 7", 7), ("no-such-program", 127)):
        ran = await bench.run(session, command)
        assert ran.success == (code == 0), (command, ran)
        if bench.has_exit_codes(session):
            assert ran.exit_code == code, (command, ran)
        elif code:
            assert str(code) in ran.error, (command, ran)


@scenario("shell-stderr")
async def stderr(bench):
    session = await bench.session()
    need_parameter(bench.sdk.execute(session), "cwd")
    ran = await bench.run(session, "echo out; echo err >&2; echo more; exit 3")
    assert (ran.stdout, ran.stderr, ran.exit_code) == ("out\nmore\n", "err\n", 3), ran


@scenario("shell-odd-bytes")
async def odd_bytes(bench):
    session = await bench.session()
    ran = await bench.run(session, r"printf 'a\000b\001c\033[0m\n'")
    assert ran.success and ran.text == "a\0b\1c\033[0m\n", ran


@scenario("shell-cwd-envs")
async def cwd_envs(bench):
    session = await bench.session()
    need_parameter(bench.sdk.execute(session), "cwd")
    ran = await bench.run(session, "pwd; echo $COLOUR", cwd="/var/tmp", envs={"COLOUR": "dark $HOME \"blue\""})
    assert ran.text == '/var/tmp\ndark $HOME "blue"\n', ran
    after = await bench.run(session, "pwd; echo [$COLOUR]")
    assert after.text == "/home/wuying\n[]\n", after


@scenario("shell-timeout")
async def timeout(bench):
    session = await bench.session()
    began = time.monotonic()
    ran = await bench.run(session, "(setsid sleep 987 >/dev/null 2>&1 &) ; sleep 986", timeout_ms=1500)
    assert not ran.success and time.monotonic() - began < 20, ran
    assert "time" in ran.error.lower() or "time" in (ran.stderr or "").lower(), ran
    left = plain.sh(session.session_id, "pgrep -fc 'sleep 98[67]$' || true")
    assert left.strip() == "0", left


@scenario("shell-background")
async def background(bench):
    session = await bench.session()
    ran = await bench.run(session, "setsid sleep 654 >/dev/null 2>&1 & echo parent done")
    assert ran.success and ran.text == "parent done\n", ran

    def lives():
        return plain.sh(session.session_id, "pgrep -fc 'sleep 654$' || true").strip() == "1"

    await bench.sdk.until(lives, "the child runs")
    plain.sh(session.session_id, "pkill -f 'sleep 654$'")


@scenario("shell-no-output")
async def no_output(bench):
    session = await bench.session()
    folder = await bench.folder(session, "silent")
    ran = await bench.run(session, f"touch {folder}/done")
    assert ran.success and not ran.text.strip(), ran
    assert plain.sh(session.session_id, f"ls {folder}") == "done\n"


@scenario("shell-big-output")
async def big_output(bench):
    session = await bench.session()
    folder = await bench.folder(session, "big")
    plain.sh(session.session_id, f"seq -f 'line %.0f' 95000 > {folder}/lines")
    told = plain.sh(session.session_id, f"sha256sum < {folder}/lines").split()[0]
    ran = await bench.run(session, f"cat {folder}/lines")
    assert ran.success and len(ran.text) > 1_000_000, ran
    assert hashlib.sha256(ran.text.encode()).hexdigest() == told


@scenario("shell-parallel")
async def parallel(bench):
    session = await bench.session()

    def call(n):
        return lambda: bench.sdk.execute(session)(f"sleep 1; echo answer {n}", timeout_ms=30000)

    began = time.monotonic()
    results = await bench.sdk.together([call(n) for n in range(20)])
    took = time.monotonic() - began
    ran = [Ran(result) for result in results]
    wrong = [(n, one) for n, one in enumerate(ran) if one.text != f"answer {n}\n"]
    assert not wrong, wrong
    assert took < 15, f"{took:.1f} s for twenty times one second"
