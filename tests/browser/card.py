"""A card at the gate, in Chromium. Its certificate lies in the browser's own store, where card software puts it; the
store has no PIN, since a browser without a screen could not ask for it.

Task: link, pkcs12, password, port (of the card listener), shots (a folder for pictures, or null).
"""
import contextlib
import json
import os
import subprocess
import tempfile

from common import TASK, browser, done, webdriver

POLICIES = "/etc/chromium/policies/managed"
result = {}


def shoot(page, name):
    if not TASK.get("shots"):
        return
    for width in (360, 1280):
        page.look(width=width, dark=False)
        page.screenshot(os.path.join(TASK["shots"], f"{name}-{width}.png"))
    page.look(width=1280, dark=False)


def fits(page):
    for width in (360, 1280):
        page.look(width=width, dark=False)
        wide = page.run("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1], f"{page.title}: {wide[0]} px wide on a screen of {wide[1]}"


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def hold(home):
    """Puts the card into the store of a person."""
    store = os.path.join(home, ".pki", "nssdb")
    os.makedirs(store)
    run("certutil", "-N", "-d", f"sql:{store}", "--empty-password")
    run("pk12util", "-i", TASK["pkcs12"], "-d", f"sql:{store}", "-W", TASK["password"])


@contextlib.contextmanager
def chosen():
    """Without a screen nobody can choose a certificate: a policy does, for this one listener."""
    os.makedirs(POLICIES, exist_ok=True)
    file = os.path.join(POLICIES, f"sealpost-test-{TASK['port']}.json")
    pattern = json.dumps({"pattern": f"https://localhost:{TASK['port']}", "filter": {}})
    with open(file, "w") as policy:
        json.dump({"AutoSelectCertificateForUrls": [pattern]}, policy)
    try:
        yield
    finally:
        os.remove(file)


def to_listener(page):
    page.go(TASK["link"])
    page.follow("form[action$='/gate/cps'] button")
    result["start"] = page.one("h1").text
    fits(page)
    shoot(page, "start")
    page.follow("a.button[href*='/card/']")


with tempfile.TemporaryDirectory() as home:
    with browser(home=home) as page:
        to_listener(page)
        result["without"] = page.one("h1").text
        fits(page)
        shoot(page, "none")
    hold(home)
    with chosen(), browser(home=home) as page:
        to_listener(page)
        result["read"] = page.one("h1").text
        result["holder"] = page.one("dl.facts dd").text
        fits(page)
        shoot(page, "read")
        page.follow("form[action^='/card/'] button")
        result["ready"] = page.one("h1").text
done(result)
