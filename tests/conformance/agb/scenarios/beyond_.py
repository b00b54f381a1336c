"""What needs a desktop, a browser or storage elsewhere: refused in words, never a false success. And what goes through contexts."""

from bench import scenario
from sdk import Absent, aw, error_of, need

IMAGES = ("browser_latest", "desktop", "windows_latest", "agb-computer-use", "agb-browser-use")


@scenario("agb-refuse-desktop")
async def desktop(bench):
    session = await bench.session()
    computer = need(session, "computer")
    mouse, keyboard, window, app = (getattr(computer, name, None) for name in ("mouse", "keyboard", "window", "app"))
    if mouse is None:
        calls = [
            lambda: computer.move_mouse(1, 1),
            lambda: computer.drag_mouse(1, 1, 2, 2),
            lambda: computer.scroll(1, 1),
            computer.get_cursor_position,
            lambda: computer.input_text("x"),
            lambda: computer.press_keys(["a"]),
            lambda: computer.release_keys(["a"]),
            computer.get_active_window,
            lambda: computer.close_window(1),
            lambda: computer.resize_window(1, 5, 5),
            lambda: computer.focus_mode(True),
            computer.get_installed_apps,
            computer.list_visible_apps,
            lambda: computer.start_app("xterm"),
            lambda: computer.stop_app_by_pname("xterm"),
            computer.get_screen_size,
        ]
    else:
        calls = [
            lambda: mouse.click(1, 1),
            lambda: mouse.move(1, 1),
            lambda: mouse.drag(1, 1, 2, 2),
            lambda: mouse.scroll(1, 1),
            mouse.get_position,
            lambda: keyboard.type("x"),
            lambda: keyboard.press(["a"]),
            lambda: keyboard.release(["a"]),
            window.list_root_windows,
            window.get_active_window,
            lambda: window.activate(1),
            lambda: window.close(1),
            lambda: window.resize(1, 5, 5),
            lambda: window.focus_mode(True),
            app.list_installed,
            app.get_visible,
            lambda: app.start("xterm"),
            lambda: app.stop_by_pname("xterm"),
            lambda: app.stop_by_pid(1),
            lambda: app.stop_by_cmd("true"),
            computer.screen.get_size,
        ]
    for number, call in enumerate(calls):
        result = await aw(call())
        assert not result.success, f"call {number} claims success"
        assert any(image in error_of(result) for image in IMAGES), f"call {number} names no image: {error_of(result)}"


@scenario("agb-refuse-browser")
async def browser(bench):
    session = await bench.session()
    option = bench.sdk.thing("BrowserOption")()
    assert not session.browser.initialize(option), "it claims that a browser runs"
    assert not session.browser.is_initialized()
    for name, call in (("get_endpoint_url", session.browser.get_endpoint_url), ("get_link", session.get_link)):
        try:
            result = call()
        except Exception:
            continue  # the package asks for a browser first, in words of its own
        assert not getattr(result, "success", False) and not isinstance(result, str), f"{name}: {result}"


@scenario("agb-refuse-oss")
async def oss(bench):
    module = need(await bench.session(), "oss")
    for call in (
        lambda: module.env_init("id", "secret"),
        lambda: module.upload("bucket", "object", "/etc/hostname"),
        lambda: module.download_anonymous("http://127.0.0.1:1/x", "/tmp/x"),
    ):
        result = await aw(call())
        assert not result.success and "oss" in error_of(result).lower(), error_of(result)


@scenario("agb-refuse-policy")
async def policy(bench):
    made = await aw(bench.bay.create(bench.sdk.params(policy_id="policy-of-nobody", **bench.labels())))
    if made.success:
        bench.extra.append(made.session)
    assert not made.success and "policy" in error_of(made).lower(), error_of(made)


@scenario("agb-extensions")
async def extensions(bench):
    service = bench.sdk.thing("ExtensionsService")(bench.bay, f"conformance-{bench.column}")
    try:
        assert service.list() == []
    finally:
        service.cleanup()


@scenario("agb-file-root")
async def file_root(bench):
    call = getattr(bench.files(await bench.create()), "get_file_transfer_context_path", None)
    if call is None:
        raise Absent("FileSystem.transfer_path")
    path = await aw(call())
    assert path and path.startswith("/"), path
