"""A file of any size is attached in Chromium; the connection breaks, the server is killed, the person pauses.

Task: login, password, secret, file (a path), size, port (of the server), wanted and restarted (files by which the
scenario is asked to kill and start the server, and says that it has), to, patience (seconds for the whole), shots.
"""
import os

from common import TASK, browser, done, webdriver
from person import log_in
from wire import Wire

SAID, BAR = ".uploads .said", ".uploads progress"
wire = Wire(TASK["port"])
TASK["base"] = f"https://localhost:{wire.port}"
result = {"seen": []}


def at(page):
    return int(page.run("return document.querySelector(arguments[0])?.value ?? -1", BAR))


def says(page, word):
    said = page.run("return document.querySelector(arguments[0]).textContent", SAID)
    return said if word in said else None


def wait(condition, what):
    return webdriver.wait(condition, what, TASK["patience"])


def another(page, old):
    """Whether another document has come. While a large deposit is being made the browser says nothing."""
    try:
        found = page.all("html")
        return bool(found) and found[0].handle != old
    except TimeoutError:
        return False
    except webdriver.WebDriverError as error:
        if error.kind in ("timeout", "stale element reference"):
            return False
        raise


def shot(page, name):
    for width in (360, 1280):
        page.look(width=width)
        page.screenshot(os.path.join(TASK["shots"], f"{name}-{width}-fr-light.png"))


with browser() as page:
    log_in(page, TASK["login"], TASK["password"], TASK["secret"])
    page.go(TASK["base"] + "/compose")
    page.one("#to").type(TASK["to"])
    page.one("#subject").type("Un très grand fichier")
    size = TASK["size"]
    # The connection breaks after a quarter.
    wire.cut_after(size // 4)
    page.one("#file").type(TASK["file"])
    wait(lambda: says(page, "connexion perdue"), "word of the broken connection")
    first = at(page)
    shot(page, "app-upload-broken")
    wire.cut_after(size // 4)
    wire.mend()
    wait(lambda: at(page) > first, "the upload to go on")
    # Broken again; now the server is killed too.
    wait(lambda: wire.broken, "the second break")
    open(TASK["wanted"], "w").close()
    wait(lambda: os.path.exists(TASK["restarted"]), "the server")
    second = at(page)
    wire.mend()
    wait(lambda: at(page) > second, "the upload to go on with another process")
    # The person pauses: nothing moves. Then goes on, and asks to send before all of it is there.
    wire.cut_after(size // 8)
    wait(lambda: wire.broken, "the third break")
    page.one(".uploads .actions button:first-child").click()
    wait(lambda: says(page, "suspendu"), "the pause")
    wire.mend()
    third = at(page)
    page.one("button[value=send]").click()
    result["later"] = page.one("[data-uploads-said]").text
    result["here"] = page.url.endswith("/compose")
    shot(page, "app-upload-paused")
    paused = at(page)
    old = page.one("html").handle
    page.one(".uploads .actions button:first-child").click()
    result["seen"] = [first, second, third, paused]
    wait(lambda: another(page, old), "the message to be sent")
    result["banner"] = page.one("[role=status]").text
    result["address"] = page.url
done(result)
