"""Contexts without sessions: their files, clearing, pages, refusals."""

import contextlib
import urllib.request

import plain
from bench import scenario
from sdk import aw, error_of, need


@contextlib.asynccontextmanager
async def context(bench, name):
    """A context of the scenario's own."""
    contexts = need(bench.bay, "context")
    made = await aw(contexts.create(f"conformance-{name}-{bench.column}"))
    assert made.context_id, error_of(made)
    try:
        yield made.context_id
    finally:
        await aw(contexts.delete(made.context))


def fetch(url, method="GET", data=None):
    """A presigned URL as any HTTP client uses it."""
    with plain.OPENER.open(urllib.request.Request(url, data, method=method), timeout=60) as answer:
        return answer.status, answer.read()


def listed(context_id, folder):
    """What the server lists: path and size."""
    rows = plain.ask("DescribeContextFiles", ContextId=context_id, ParentFolderPath=folder)["Data"]
    return [(row["FilePath"], row["Size"]) for row in rows if row["FileType"] == "file"]


async def upload(bench, context_id, path, data):
    url = await aw(need(bench.bay.context, "get_file_upload_url")(context_id, path))
    assert url.success and url.url.startswith("https://") and url.expire_time, error_of(url)
    status, _ = fetch(url.url, "PUT", data)
    assert status == 200, status


@scenario("context-files")
async def files(bench):
    contexts = need(bench.bay, "context")
    need(contexts, "list_files")
    data = bytes(range(256)) * 5000
    async with context(bench, "files") as context_id:
        for path, content in [("/tmp/dir/a b ü.bin", data), ("/tmp/dir/empty", b"")]:
            await upload(bench, context_id, path, content)
        assert listed(context_id, "/tmp/dir") == [("/tmp/dir/a b ü.bin", len(data)), ("/tmp/dir/empty", 0)]
        found = await aw(contexts.list_files(context_id, "/tmp/dir", 1, 50))
        assert found.success and found.count == 2, error_of(found)
        first = found.entries[0]
        assert (first.file_name, first.file_path, first.size) == ("a b ü.bin", "/tmp/dir/a b ü.bin", len(data)), vars(first)
        second = await aw(contexts.list_files(context_id, "/tmp/dir", 2, 1))
        assert [entry.file_name for entry in second.entries] == ["empty"], second.entries
        url = await aw(contexts.get_file_download_url(context_id, "/tmp/dir/a b ü.bin"))
        assert fetch(url.url) == (200, data)
        gone = await aw(contexts.delete_file(context_id, "/tmp/dir/a b ü.bin"))
        assert gone.success, error_of(gone)
        assert listed(context_id, "/tmp/dir") == [("/tmp/dir/empty", 0)]


@scenario("context-clear")
async def clear(bench):
    contexts = need(bench.bay, "context")
    need(contexts, "clear")
    async with context(bench, "clear") as context_id:
        for n in range(3):
            await upload(bench, context_id, f"/tmp/{n}", b"x")
        cleared = await aw(contexts.clear(context_id, timeout=30, poll_interval=0.1))
        assert cleared.success and cleared.status == "available", error_of(cleared)
        assert listed(context_id, "/tmp") == []
        await upload(bench, context_id, "/tmp/new", b"new")
        assert listed(context_id, "/tmp") == [("/tmp/new", 3)]


@scenario("context-pages")
async def pages(bench):
    params = bench.sdk.thing("ContextListParams")
    async with contextlib.AsyncExitStack() as stack:
        wanted = [await stack.enter_async_context(context(bench, f"page-{n}")) for n in range(5)]
        seen, token = [], ""
        while True:
            page = await aw(bench.bay.context.list(params(max_results=2, next_token=token)))
            assert len(page.contexts) <= 2, page.contexts
            seen += [entry.id for entry in page.contexts]
            token = page.next_token
            if not token:
                break
        assert sorted(set(seen)) == sorted(seen), "no context stands on two pages"
        assert set(wanted) <= set(seen), (wanted, seen)


@scenario("context-refused")
async def refused(bench):
    contexts = need(bench.bay, "context")

    async def words(call):
        """A result's words, or an exception's."""
        try:
            result = await aw(call())
        except Exception as error:  # noqa: BLE001
            return str(error)
        assert not result.success and not getattr(result, "url", ""), vars(result)
        return error_of(result)

    missing = await words(lambda: contexts.get(f"conformance-none-{bench.column}"))
    assert "none" in missing or "EntityNotExist" in missing, missing
    upload_url = need(contexts, "get_file_upload_url")
    async with context(bench, "refused") as context_id:
        for path in ["../outside", "/tmp/../../outside"]:
            told = await words(lambda: upload_url(context_id, path))
            assert ".." in told, told
        told = await words(lambda: contexts.get_file_download_url(context_id, "/tmp/none"))
        assert "/tmp/none" in told, told
    told = await words(lambda: upload_url(context_id, "/tmp/x"))
    assert context_id in told, told
