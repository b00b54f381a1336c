"""Files: what the SDK writes is read by a command, and the other way round."""

import base64
import hashlib
import os
import tempfile

import plain
from bench import scenario
from sdk import aw, error_of, need, need_parameter, takes

MEGABYTE = 1 << 20
# What the releases cut files into: 50 and 60 KiB when reading, 51 KiB when writing.
PIECES = (51_200, 52_224, 61_440)


@scenario("file-write-read")
async def write_read(bench):
    session = await bench.session()
    folder = await bench.folder(session, "write")
    text = "grüße, 世界\n  second line\n\n"
    written = await aw(bench.files(session).write_file(f"{folder}/deep/er/hello.txt", text))
    assert written.success, error_of(written)
    raw = plain.sh(session.session_id, f"base64 -w0 {folder}/deep/er/hello.txt; stat -c ' %U' {folder}/deep/er/hello.txt")
    encoded, owner = raw.split()
    assert base64.b64decode(encoded).decode() == text and owner == "wuying", raw
    plain.sh(session.session_id, f"printf 'von der Shell – ä' > {folder}/shell.txt")
    read = await aw(bench.files(session).read_file(f"{folder}/shell.txt"))
    assert read.success and read.content == "von der Shell – ä", (error_of(read), read.content)


@scenario("file-append")
async def append(bench):
    session = await bench.session()
    path = await bench.folder(session, "append") + "/log"
    for text, mode in (("one", "overwrite"), ("+two", "append"), ("+three", "append")):
        result = await aw(bench.files(session).write_file(path, text, mode=mode))
        assert result.success, error_of(result)
    assert plain.sh(session.session_id, f"cat {path}") == "one+two+three"
    assert (await aw(bench.files(session).write_file(path, "four", mode="overwrite"))).success
    assert plain.sh(session.session_id, f"cat {path}") == "four"


@scenario("file-empty")
async def empty(bench):
    session = await bench.session()
    folder = await bench.folder(session, "empty")
    assert (await aw(bench.files(session).write_file(f"{folder}/written", ""))).success
    assert plain.sh(session.session_id, f"stat -c %s {folder}/written") == "0\n"
    plain.sh(session.session_id, f"touch {folder}/touched")
    read = await aw(bench.files(session).read_file(f"{folder}/touched"))
    assert read.success and read.content == "", (error_of(read), read.content)


@scenario("file-large-text")
async def large_text(bench):
    session = await bench.session()
    path = await bench.folder(session, "large") + "/text"
    # ASCII, so that no border cuts a character: that is another scenario.
    line = "".join(f"{n:07d} the quick brown fox jumps over the lazy dog 0123456789 abcdefg\n" for n in range(70_000))
    assert len(line) > 5 * MEGABYTE * 0.9
    written = await aw(writer(bench.files(session))(path, line))
    assert written.success, error_of(written)
    told = plain.sh(session.session_id, f"sha256sum < {path}").split()[0]
    assert told == hashlib.sha256(line.encode()).hexdigest(), "the written file differs"
    read = await aw(reader(bench.files(session))(path))
    assert read.success and read.content == line, (error_of(read), len(read.content))


@scenario("file-large-binary")
async def large_binary(bench):
    session = await bench.session()
    need_parameter(bench.files(session).read_file, "format")
    path = await bench.folder(session, "binary") + "/blob"
    plain.sh(session.session_id, f"head -c {5 * MEGABYTE + 17} /dev/urandom > {path}")
    told = plain.sh(session.session_id, f"sha256sum < {path}").split()[0]
    read = await aw(bench.files(session).read_file(path, format="bytes"))
    assert read.success, error_of(read)
    assert isinstance(read.content, bytes) and len(read.content) == 5 * MEGABYTE + 17, len(read.content)
    assert hashlib.sha256(read.content).hexdigest() == told


@scenario("file-200-mb")
async def huge(bench):
    session = await bench.session()
    path = await bench.folder(session, "huge") + "/file"
    # Text, as that is what every release can write; no two lines of it are alike.
    text = base64.b64encode(os.urandom(150 * MEGABYTE)).decode()
    wanted = hashlib.sha256(text.encode()).hexdigest()
    files = bench.files(session)
    written = await aw(writer(files)(path, text))
    assert written.success, error_of(written)
    del text
    told = plain.sh(session.session_id, f"stat -c %s {path}; sha256sum < {path}").split()
    assert told[:2] == [str(200 * MEGABYTE), wanted], told
    reads_bytes = takes(reader(files), "format")
    if reads_bytes:
        plain.sh(session.session_id, f"head -c {200 * MEGABYTE} /dev/urandom > {path}")
        wanted = plain.sh(session.session_id, f"sha256sum < {path}").split()[0]
    read = await aw(reader(files)(path, format="bytes") if reads_bytes else reader(files)(path))
    assert read.success, error_of(read)
    content = read.content if reads_bytes else read.content.encode()
    assert len(content) == 200 * MEGABYTE and hashlib.sha256(content).hexdigest() == wanted, len(content)
    plain.sh(session.session_id, f"rm {path}")


@scenario("file-cut-characters")
async def cut_characters(bench):
    session = await bench.session()
    folder = await bench.folder(session, "cut")
    for character in ("ä", "漢", "🚢"):
        width = len(character.encode())
        for shift in range(1, width):
            # One character lies across each border, for every piece size, at every cut that can be.
            text = across_borders(character, shift)
            path = f"{folder}/{width}-{shift}"
            assert (await aw(writer(bench.files(session))(path, text))).success
            told = plain.sh(session.session_id, f"sha256sum < {path}").split()[0]
            assert told == hashlib.sha256(text.encode()).hexdigest(), f"{character!r} cut after {shift}: written wrongly"
            read = await aw(reader(bench.files(session))(path))
            assert read.success and read.content == text, f"{character!r} cut after {shift}: read wrongly"


@scenario("file-info")
async def info(bench):
    session = await bench.session()
    folder = await bench.folder(session, "info")
    plain.sh(session.session_id, f"head -c 12345 /dev/zero > {folder}/file; chmod 640 {folder}/file; mkdir {folder}/dir")
    result = await aw(bench.files(session).get_file_info(f"{folder}/file"))
    assert result.success and int(result.file_info["size"]) == 12345, result.file_info
    assert yes(result.file_info["isDirectory"]) is False, result.file_info
    assert "640" in str(result.file_info["permissions"]) or "rw-r-----" in str(result.file_info["permissions"]), result.file_info
    result = await aw(bench.files(session).get_file_info(f"{folder}/dir"))
    assert result.success and yes(result.file_info["isDirectory"]) is True, result.file_info


@scenario("file-list")
async def listing(bench):
    session = await bench.session()
    folder = await bench.folder(session, "list")
    plain.sh(session.session_id, f"cd {folder} && mkdir dir 'two words' && touch a.txt 'b c.txt' .hidden")
    result = await aw(bench.files(session).list_directory(folder))
    assert result.success, error_of(result)
    kinds = {entry_name(entry): entry_is_directory(entry) for entry in result.entries}
    assert kinds == {"dir": True, "two words": True, "a.txt": False, "b c.txt": False, ".hidden": False}, kinds


@scenario("file-create-directory")
async def create_directory(bench):
    session = await bench.session()
    folder = await bench.folder(session, "mkdir")
    assert (await aw(bench.files(session).create_directory(f"{folder}/a/b/c"))).success
    assert plain.sh(session.session_id, f"stat -c %F {folder}/a/b/c") == "directory\n"


@scenario("file-move")
async def move(bench):
    session = await bench.session()
    folder = await bench.folder(session, "move")
    plain.sh(session.session_id, f"echo content > {folder}/old")
    result = await aw(bench.files(session).move_file(f"{folder}/old", f"{folder}/new name"))
    assert result.success, error_of(result)
    assert plain.sh(session.session_id, f"ls {folder}; cat '{folder}/new name'") == "new name\ncontent\n"


@scenario("file-edit")
async def edit(bench):
    session = await bench.session()
    path = await bench.folder(session, "edit") + "/text"
    plain.sh(session.session_id, f"printf 'first\\nsecond\\nthird\\n' > {path}")
    edits = [{"oldText": "second", "newText": "zweite"}, {"oldText": "third", "newText": "dritte"}]
    tried = await aw(bench.files(session).edit_file(path, edits, dry_run=True))
    assert tried.success, error_of(tried)
    assert plain.sh(session.session_id, f"cat {path}") == "first\nsecond\nthird\n"
    done = await aw(bench.files(session).edit_file(path, edits))
    assert done.success, error_of(done)
    assert plain.sh(session.session_id, f"cat {path}") == "first\nzweite\ndritte\n"
    missing = await aw(bench.files(session).edit_file(path, [{"oldText": "not in there", "newText": "x"}]))
    assert not missing.success
    assert plain.sh(session.session_id, f"cat {path}") == "first\nzweite\ndritte\n"


@scenario("file-search")
async def search(bench):
    session = await bench.session()
    folder = await bench.folder(session, "search")
    plain.sh(session.session_id, f"cd {folder} && mkdir -p src/deep build && touch a.py src/b.py src/deep/c.py build/d.py src/e.txt")
    found = await aw(bench.files(session).search_files(folder, "*.py"))
    wanted = [f"{folder}/{name}" for name in ("a.py", "build/d.py", "src/b.py", "src/deep/c.py")]
    assert found.success and sorted(found.matches) == wanted, found.matches
    found = await aw(bench.files(session).search_files(folder, "*.py", exclude_patterns=["build", "deep"]))
    assert found.success and sorted(found.matches) == [wanted[0], wanted[2]], found.matches
    none = await aw(bench.files(session).search_files(folder, "*.rs"))
    assert not [match for match in none.matches if match.startswith("/")], none.matches
    # 0.8 and 0.9 call it a failure of this name.
    assert none.success or error_of(none) == "No matches found", error_of(none)


@scenario("file-read-many")
async def read_many(bench):
    session = await bench.session()
    folder = await bench.folder(session, "many")
    plain.sh(session.session_id, f"cd {folder} && printf 'one\\nline: two\\n' > a && printf 'ä: b' > b && printf c > c")
    result = await aw(bench.files(session).read_multiple_files([f"{folder}/{name}" for name in "abc"]))
    assert result.success, error_of(result)
    contents = {path: content.strip() for path, content in result.contents.items()}
    assert contents == {f"{folder}/a": "one\nline: two", f"{folder}/b": "ä: b", f"{folder}/c": "c"}, contents


@scenario("file-delete")
async def delete(bench):
    session = await bench.session()
    call = need(bench.files(session), "delete_file")
    folder = await bench.folder(session, "delete")
    plain.sh(session.session_id, f"touch {folder}/gone {folder}/stays")
    result = await aw(call(f"{folder}/gone"))
    assert result.success, error_of(result)
    assert plain.sh(session.session_id, f"ls {folder}") == "stays\n"


@scenario("file-missing")
async def missing(bench):
    session = await bench.session()
    fs, path = bench.files(session), "/tmp/conformance/there-is-no-such-thing"
    edits = [{"oldText": "a", "newText": "b"}]
    for what, call in (
        ("read", lambda: reader(fs)(path)),
        ("info", lambda: fs.get_file_info(path)),
        ("list", lambda: fs.list_directory(path)),
        ("edit", lambda: fs.edit_file(path, edits)),
        ("move", lambda: fs.move_file(path, path + "2")),
    ):
        result = await aw(call())
        assert not result.success, f"{what} claims success"
        assert "there-is-no-such-thing" in error_of(result), f"{what}: {error_of(result)}"


@scenario("file-upload-download")
async def upload_download(bench):
    session = await bench.create()
    files = bench.files(session)
    upload, download = need(files, "upload_file"), need(files, "download_file")
    content = os.urandom(300_000)
    with tempfile.TemporaryDirectory() as here:
        with open(f"{here}/up", "wb") as file:
            file.write(content)
        root = getattr(files, "get_file_transfer_context_path", None)
        root = (await aw(root()) if root else None) or "/tmp/file-transfer"
        result = await aw(upload(f"{here}/up", f"{root}/blob"))
        assert result.success, error_of(result)
        told = plain.sh(session.session_id, f"sha256sum < {root}/blob").split()[0]
        assert told == hashlib.sha256(content).hexdigest()
        result = await aw(download(f"{root}/blob", f"{here}/down"))
        assert result.success, error_of(result)
        with open(f"{here}/down", "rb") as file:
            assert file.read() == content


def writer(files):
    """Up to 0.6 large files have calls of their own."""
    return getattr(files, "write_large_file", None) or files.write_file


def reader(files):
    return getattr(files, "read_large_file", None) or files.read_file


def across_borders(character, shift):
    """A text of which every border in PIECES cuts the character after `shift` bytes, as often as the sizes allow."""
    width = len(character.encode())
    text, at = [], 0
    borders = sorted({piece * n for piece in PIECES for n in (1, 2, 3)})
    for border in borders:
        start = border - shift
        if start < at:
            continue
        text += ["x" * (start - at), character]
        at = start + width
    return "".join(text) + "end"


def yes(value):
    return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]


def entry_name(entry):
    return entry["name"] if isinstance(entry, dict) else entry.name


def entry_is_directory(entry):
    return entry["isDirectory"] if isinstance(entry, dict) else entry.is_directory
