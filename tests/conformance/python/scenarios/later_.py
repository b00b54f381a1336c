"""Contexts, pausing, networks, skills."""

import plain
from bench import scenario
from sdk import Absent, aw, error_of, need, need_parameter


@scenario("context-life")
async def life(bench):
    contexts, name = need(bench.bay, "context"), f"conformance-{bench.column}"
    made = await aw(contexts.create(name))
    assert made.success and made.context_id, error_of(made)
    try:
        same = await aw(contexts.get(name))
        assert same.success and same.context_id == made.context_id, error_of(same)
        listed = await aw(contexts.list())
        assert made.context_id in [entry.id for entry in listed.contexts], error_of(listed)
        same.context.name = name + "-renamed"
        assert (await aw(contexts.update(same.context))).success
        assert (await aw(contexts.get(name + "-renamed"))).context_id == made.context_id
    finally:
        gone = await aw(contexts.delete(made.context))
    assert gone.success, error_of(gone)
    listed = await aw(contexts.list())
    assert made.context_id not in [entry.id for entry in listed.contexts]


@scenario("context-sync")
async def sync(bench):
    kind = bench.sdk.thing("ContextSync")
    need_parameter(bench.sdk.thing("CreateSessionParams"), "context_syncs")
    made = await aw(bench.bay.context.create(f"conformance-sync-{bench.column}"))
    assert made.success and made.context_id, error_of(made)
    try:
        binding = kind.new(made.context_id, "/tmp/synced") if hasattr(kind, "new") else kind(made.context_id, "/tmp/synced")
        first = await bench.create(context_syncs=[binding])
        plain.sh(first.session_id, "mkdir -p /tmp/synced && echo kept > /tmp/synced/file")
        assert (await aw(bench.bay.delete(first, sync_context=True))).success
        second = await bench.create(context_syncs=[binding])

        def there():
            return "kept" in plain.sh(second.session_id, "cat /tmp/synced/file 2>/dev/null || true")

        await bench.sdk.until(there, "the file is in the next session")
    finally:
        await aw(bench.bay.context.delete(made.context))


@scenario("context-none")
async def none(bench):
    session = await bench.session()
    result = await aw(need(session, "context").info())
    assert getattr(result, "success", True), error_of(result)
    assert result.context_status_data == [], result.context_status_data


@scenario("pause-resume")
async def pause_resume(bench):
    session = await bench.create()
    names = [name for name in ("beta_pause", "pause") if hasattr(session, name)]
    if not names:
        raise Absent("Session.pause")
    plain.sh(session.session_id, "echo kept > /tmp/kept; setsid sleep 500 >/dev/null 2>&1 & echo started")
    paused = await aw(getattr(session, names[0])())
    assert paused.success, error_of(paused)
    assert plain.ask("GetSession", SessionId=session.session_id)["Data"]["Status"] == "PAUSED"
    resumed = await aw(getattr(session, names[0].replace("pause", "resume"))())
    assert resumed.success, error_of(resumed)
    assert plain.sh(session.session_id, "cat /tmp/kept; pgrep -c sleep") == "kept\n1\n"


@scenario("network-create")
async def network(bench):
    module = getattr(bench.bay, "beta_network", None) or need(bench.bay, "network")
    call = getattr(module, "get_network_bind_token", None) or need(module, "create")
    result = await aw(call())
    assert result.success and result.network_id and result.network_token, error_of(result)


@scenario("skill-list")
async def skills(bench):
    module = need(bench.bay, "beta_skills")
    call = getattr(module, "get_metadata", None) or need(module, "list_metadata")
    result = await aw(call())
    assert getattr(result, "success", True), error_of(result)
    assert isinstance(getattr(result, "skills", result), list), result
