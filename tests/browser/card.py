"""A card at the gate, in Chromium. Its certificate lies in the browser's own store, where card software puts it; the
store has no PIN, since a browser without a screen could not ask for it.

Task: link, pkcs12, password, port (of the card listener), language, axe, folder.
"""
import contextlib
import json
import os
import subprocess
import tempfile

from common import TASK, browser, done
from judge import Judge

POLICIES = "/etc/chromium/policies/managed"
result, judge = {}, Judge(TASK)


def shoot(page, name):
    judge.page(page, "card-" + name, TASK["language"])


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
    shoot(page, "start")
    page.follow("a.button[href*='/card/']")


with tempfile.TemporaryDirectory() as home:
    with browser(home=home, language=TASK["language"]) as page:
        to_listener(page)
        result["without"] = page.one("h1").text
        shoot(page, "none")
    hold(home)
    with chosen(), browser(home=home, language=TASK["language"]) as page:
        to_listener(page)
        result["read"] = page.one("h1").text
        result["holder"] = page.one("dl.facts dd").text
        shoot(page, "read")
        page.follow("form[action^='/card/'] button")
        result["ready"] = page.one("h1").text
done(result | judge.found())
