"""What linux_latest has not: refused, with a word about the image that would have it."""

from bench import scenario
from sdk import Absent, aw, error_of, need

IMAGES = ("browser_latest", "mobile_latest", "windows_latest", "desktop", "_latest")


def module(session, *names):
    """The first of the modules that this release has."""
    for name in names:
        found = getattr(session, name, None)
        if found is not None:
            return found
    raise Absent("Session." + " or ".join(names))


async def refused(call):
    """The words of a refusal; a success, or a refusal that names no other image, is a failure."""
    try:
        result = await aw(call())
        assert not result.success, "it claims success"
        text = error_of(result)
    except (AssertionError, Absent):
        raise
    except Exception as error:
        text = str(error)
    other = text.replace("linux_latest", "")
    assert any(image in other for image in IMAGES), f"no image is named: {text}"


@scenario("refuse-screen")
async def screen(bench):
    session = await bench.session()
    computer = module(session, "computer", "ui")
    shot = computer.screenshot
    # With the direct route the SDK itself refuses the old call.
    newer = getattr(getattr(computer, "screen", computer), "beta_take_screenshot", None)
    if newer is not None and getattr(session, "get_link_url", lambda: "")():
        shot = newer
    await refused(shot)


@scenario("refuse-mouse")
async def mouse(bench):
    computer = module(await bench.session(), "computer", "ui")
    await refused(lambda: getattr(computer, "click_mouse", None)(10, 10) if hasattr(computer, "click_mouse") else computer.click(10, 10))


@scenario("refuse-windows")
async def windows(bench):
    await refused(module(await bench.session(), "computer", "window").list_root_windows)


@scenario("refuse-mobile")
async def mobile(bench):
    session = await bench.session()
    if hasattr(session, "mobile"):
        await refused(lambda: session.mobile.tap(10, 10))
    else:
        await refused(lambda: module(session, "ui").send_key(3))


@scenario("refuse-browser")
async def browser(bench):
    session = await bench.session()
    option = bench.sdk.thing("BrowserOption")()
    call = need(session.browser, "initialize")
    try:
        assert not await aw(call(option)), "it claims that a browser runs"
    except AssertionError:
        raise
    except Exception:
        pass  # an error of any form is a refusal
    assert not session.browser.is_initialized()
