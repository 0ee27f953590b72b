"""A card in a PKCS#11 token at the gate: Chromium with a screen of its own, its dialog for the PIN and its dialog for
the certificate, answered by the keyboard as a person does.

The token is SoftHSM's; its module is loaded into the person's NSS database, where the software of a CPS puts its own.

Task: link, pkcs12, password.
"""
import contextlib
import os
import subprocess
import tempfile
import threading
import time

from common import TASK, browser, done

PIN = "4821"
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
UNLOCK = "Unlock Security Device"
result = {"pins": 0}


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def hold(home):
    """A token with the card's key and certificate, and the browser's way to it."""
    tokens, store = os.path.join(home, "tokens"), os.path.join(home, ".pki", "nssdb")
    os.makedirs(tokens)
    os.makedirs(store)
    os.environ["SOFTHSM2_CONF"] = os.path.join(home, "softhsm2.conf")
    # Dialogs are known by their titles.
    os.environ["LANGUAGE"] = "en"
    with open(os.environ["SOFTHSM2_CONF"], "w") as conf:
        conf.write(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    run("softhsm2-util", "--init-token", "--free", "--label", "CPS", "--pin", PIN, "--so-pin", "12345678")
    run("certutil", "-N", "-d", f"sql:{store}", "--empty-password")
    run("modutil", "-force", "-dbdir", f"sql:{store}", "-add", "CPS", "-libfile", MODULE)
    run("pk12util", "-i", TASK["pkcs12"], "-W", TASK["password"], "-d", f"sql:{store}", "-h", "CPS", "-K", PIN)


@contextlib.contextmanager
def screen():
    """An X server that nobody else has; it says which number it took."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x1000x24", "-nolisten", "tcp"],
        pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
        yield
    finally:
        server.terminate()
        server.wait()


def windows():
    """Names of the windows that are shown, by their numbers."""
    found = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", "."], stdout=subprocess.PIPE, text=True)
    names = {}
    for number in found.stdout.split():
        name = subprocess.run(["xdotool", "getwindowname", number], stdout=subprocess.PIPE, text=True)
        names[number] = name.stdout.strip()
    return names


def key(window, *words):
    run("xdotool", "windowfocus", "--sync", window)
    run("xdotool", *words)


def answer_dialogs(going, seconds=40):
    """Answers what the browser asks while `going` waits for the next page: a wrong PIN, the right one, the certificate."""
    end, answered, chosen = time.monotonic() + seconds, set(), 0
    while going.is_alive():
        assert time.monotonic() < end, f"{windows()} after {result}"
        shown = windows()
        for number, name in shown.items():
            if name == UNLOCK and number not in answered:
                key(number, "type", PIN if answered else "0000")
                key(number, "key", "Return")
                answered.add(number)
                result["pins"] = len(answered)
        if len(answered) < 2 or UNLOCK in shown.values():
            chosen = time.monotonic() - 3
        elif time.monotonic() > chosen + 4:
            # The list of certificates lies within the browser's window; its one line is chosen already. A second
            # time only when the first was too early: the next page would take it for its own.
            key(next(iter(shown)), "key", "Return")
            chosen = time.monotonic()
        time.sleep(0.2)
    going.join()


def go(page, selector):
    """Follows a link whose page comes only after dialogs."""
    thread = threading.Thread(target=page.follow, args=[selector], daemon=True)
    thread.start()
    return thread


with tempfile.TemporaryDirectory() as home, screen():
    hold(home)
    with browser(home=home, screen=True) as page:
        page.go(TASK["link"])
        page.follow("form[action$='/gate/cps'] button")
        answer_dialogs(go(page, "a.button[href*='/card/']"))
        result["read"] = page.one("h1").text
        result["holder"] = page.one("dl.facts dd").text
        page.follow("form[action^='/card/'] button")
        result["ready"] = page.one("h1").text
done(result)
