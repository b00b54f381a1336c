"""The git module, which is the shell tool with exact bytes."""

import plain
from bench import scenario
from sdk import aw, need


async def repository(bench, name):
    session = await bench.session()
    git = need(session, "git")
    path = await bench.folder(session, name) + "/work"
    made = await aw(git.init(path, initial_branch="main"))
    assert made.path == path, made
    for key, value in (("user.name", "Jörg Tester"), ("user.email", "joerg@example.org")):
        await aw(git.set_config(path, key, value, scope="local"))
    return session, git, path


async def committed(session, git, path, name, message):
    plain.sh(session.session_id, f"echo {name} > {path}/{name}")
    await aw(git.add(path))
    return await aw(git.commit(path, message))


@scenario("git-commit-log")
async def commit_log(bench):
    session, git, path = await repository(bench, "log")
    subjects = ['first "quoted" subject', "zweite: grüße, 世界\tTab $HOME `id`", "third 'one'"]
    for number, subject in enumerate(subjects):
        done = await committed(session, git, path, f"file{number}", subject)
        assert done.commit_hash, done
    log = await aw(git.log(path))
    assert [entry.message for entry in log.entries] == subjects[::-1], [entry.message for entry in log.entries]
    assert {entry.author_name for entry in log.entries} == {"Jörg Tester"}, vars(log.entries[0])
    told = plain.sh(session.session_id, f"git -C {path} log --format=%s")
    assert told.splitlines() == subjects[::-1], told


@scenario("git-clone")
async def clone(bench):
    session, git, path = await repository(bench, "clone")
    await committed(session, git, path, "readme", "one")
    plain.sh(session.session_id, f"git clone -q --bare {path} {path}.git")
    done = await aw(git.clone(f"{path}.git", path=f"{path}-copy"))
    assert done.path == f"{path}-copy", done
    assert plain.sh(session.session_id, f"cat {path}-copy/readme") == "readme\n"
    try:
        await aw(git.clone(f"{path}-missing.git", path=f"{path}-never"))
    except Exception as error:
        assert type(error).__name__.startswith("Git"), repr(error)
        assert "missing.git" in str(error) or "does not exist" in str(error), error
    else:
        raise AssertionError("a repository that does not exist was cloned")


@scenario("git-branches")
async def branches(bench):
    session, git, path = await repository(bench, "branches")
    await committed(session, git, path, "readme", "one")
    await aw(git.create_branch(path, "feature/ä", checkout=True))
    listed = await aw(git.list_branches(path))
    assert listed.current == "feature/ä", vars(listed)
    assert sorted(branch.name for branch in listed.branches) == ["feature/ä", "main"], vars(listed)
    await aw(git.checkout_branch(path, "main"))
    assert plain.sh(session.session_id, f"git -C {path} branch --show-current") == "main\n"
    await aw(git.delete_branch(path, "feature/ä"))
    assert plain.sh(session.session_id, f"git -C {path} branch --format='%(refname:short)'") == "main\n"


@scenario("git-status")
async def status(bench):
    session, git, path = await repository(bench, "status")
    await committed(session, git, path, "changed", "one")
    assert (await aw(git.status(path))).is_clean
    plain.sh(session.session_id, f"cd {path}; echo more >> changed; echo new > staged; git add staged; touch 'not tracked'")
    told = await aw(git.status(path))
    kinds = {file.path.strip('"'): (file.status, file.staged) for file in told.files}
    assert kinds == {"changed": ("modified", False), "staged": ("added", True), "not tracked": ("untracked", False)}, kinds
    assert told.current_branch == "main" and not told.detached, vars(told)
