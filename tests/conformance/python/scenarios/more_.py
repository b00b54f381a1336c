"""Environment, metrics, and the VPC route of old releases."""

import plain
from bench import scenario
from sdk import aw, error_of, need


@scenario("env-set-get")
async def env(bench):
    session = await bench.create()
    module = need(session, "env")
    result = await aw(module.set({"COLOUR": "dark \"blue\" $HOME", "SIZE": "größe 12"}))
    assert result.success, error_of(result)
    assert await bench.sh(session, 'echo "$COLOUR|$SIZE"') == 'dark "blue" $HOME|größe 12\n'
    assert plain.sh(session.session_id, 'echo "$SIZE"') == "größe 12\n"
    one = await aw(module.get(["SIZE"]))
    assert one.success and one.envs == {"SIZE": "größe 12"}, (error_of(one), one.envs)
    every = await aw(module.get())
    assert every.success and every.envs["COLOUR"] == 'dark "blue" $HOME' and "PATH" in every.envs, every.envs
    await aw(module.set({"SIZE": "13"}))
    assert await bench.sh(session, 'echo "$SIZE"') == "13\n"


@scenario("metrics")
async def metrics(bench):
    session = await bench.create()
    call = need(session, "get_metrics")

    async def measure():
        result = await aw(call())
        assert result.success, error_of(result)
        return result.metrics

    before = await measure()
    assert before.cpu_count >= 1 and 0 < before.mem_used < before.mem_total, vars(before)
    assert 0 < before.disk_used <= before.disk_total and before.timestamp, vars(before)
    hold = "setsid python3 -c \"b = bytearray(100 << 20); import time; time.sleep(55)\" >/dev/null 2>&1 & echo started"
    plain.sh(session.session_id, hold)

    async def risen():
        return (await measure()).mem_used > before.mem_used + (90 << 20)

    await bench.sdk.until(risen, "100 MB more memory are told")


async def vpc_session(bench):
    session = await bench.create(is_vpc=True)
    ip = session.network_interface_ip
    assert ip.startswith("127."), f"no address of the session: {ip!r}"
    return session


@scenario("vpc-shell")
async def vpc_shell(bench):
    session = await vpc_session(bench)
    ran = await bench.run(session, "echo over the wire; id -un")
    assert ran.success and ran.text == "over the wire\nwuying\n", ran


@scenario("vpc-files")
async def vpc_files(bench):
    session = await vpc_session(bench)
    text = "über die Leitung: 漢字 & <tags> \"quotes\" +plus %41\n"
    written = await aw(session.file_system.write_file("/tmp/vpc/file", text))
    assert written.success, error_of(written)
    assert plain.sh(session.session_id, "cat /tmp/vpc/file") == text
    plain.sh(session.session_id, "printf 'von drinnen ä' > /tmp/vpc/other")
    read = await aw(session.file_system.read_file("/tmp/vpc/other"))
    assert read.success and read.content == "von drinnen ä", (error_of(read), read.content)


@scenario("vpc-failure")
async def vpc_failure(bench):
    session = await vpc_session(bench)
    failed = await bench.run(session, "exit 7")
    assert not failed.success, failed
    missing = await aw(session.file_system.get_file_info("/tmp/vpc/nothing"))
    # In the tool's words: a release that never got so far fails too.
    assert not missing.success and "/tmp/vpc/nothing" in error_of(missing), vars(missing)
