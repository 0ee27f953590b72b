"""A small W3C WebDriver client: starts chromedriver and a headless Chromium with an empty profile.

Standard library only. https://www.w3.org/TR/webdriver2/
"""
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
    "--disable-default-apps", "--disable-extensions", "--hide-scrollbars",
]


class WebDriverError(Exception):
    """What the driver answered instead of a result."""

    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Element:
    """An element of the current page."""

    def __init__(self, browser, handle):
        self.browser, self.handle = browser, handle

    def _call(self, method, path, body=None):
        return self.browser.call(method, f"/element/{self.handle}{path}", body)

    @property
    def text(self):
        return self._call("GET", "/text")

    def attribute(self, name):
        return self._call("GET", f"/attribute/{name}")

    def click(self):
        self._call("POST", "/click", {})

    def type(self, text):
        self._call("POST", "/value", {"text": text})

    def all(self, selector):
        found = self._call("POST", "/elements", {"using": "css selector", "value": selector})
        return [Element(self.browser, e[ELEMENT]) for e in found]


class Browser:
    """One browser; use as a context manager.

    spki: base64 SHA-256 of the one public key that is trusted without an authority.
    home: the person's directory, in which their certificates lie.
    screen: shown on $DISPLAY, with the dialogs that a browser without a screen cannot have.
    """

    def __init__(self, spki=None, language="fr", javascript=True, downloads=None, home=None, screen=False):
        self.profile = tempfile.mkdtemp(prefix="sealpost-browser-")
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "HOME": home} if home else None)
        self.session = None
        try:
            self._wait_for_driver()
            self._begin(spki, language, javascript, downloads, screen)
        except BaseException:
            self.close()
            raise

    def _wait_for_driver(self):
        for line in self.driver.stdout:
            if match := re.search(r"started successfully on port (\d+)", line):
                self.base = f"http://127.0.0.1:{match[1]}"
                return
        raise RuntimeError("chromedriver did not start")

    def _begin(self, spki, language, javascript, downloads, screen):
        arguments = [f for f in FLAGS if not screen or not f.startswith("--headless")]
        arguments += [f"--user-data-dir={self.profile}", f"--lang={language}"]
        if spki:
            arguments.append(f"--ignore-certificate-errors-spki-list={spki}")
        prefs = {"intl.accept_languages": language, "download.prompt_for_download": False}
        if downloads:
            prefs["download.default_directory"] = downloads
        if not javascript:
            prefs["profile.managed_default_content_settings.javascript"] = 2
        options = {"args": arguments, "prefs": prefs, "binary": shutil.which("chromium")}
        answer = self._http("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "timeouts": {"pageLoad": 60000, "script": 30000, "implicit": 0}}}})
        self.session = answer["sessionId"]
        if downloads:
            self.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=downloads)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.session:
            try:
                self._http("DELETE", f"/session/{self.session}")
            except (OSError, WebDriverError):
                pass
            self.session = None
        self.driver.terminate()
        self.driver.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _http(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data=data, method=method, headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise WebDriverError(value["error"], value["message"]) from None

    def call(self, method, path, body=None):
        return self._http(method, f"/session/{self.session}{path}", body)

    def devtools(self, command, **params):
        """A command of the DevTools protocol, for what WebDriver lacks."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    # Pages

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    @property
    def url(self):
        return self.call("GET", "/url")

    @property
    def title(self):
        return self.call("GET", "/title")

    @property
    def source(self):
        return self.call("GET", "/source")

    def cookies(self):
        return self.call("GET", "/cookie")

    def forget(self):
        """Deletes the page's cookies: another browser from here on."""
        self.call("DELETE", "/cookie")

    def keep(self, cookies):
        """Takes cookies of the server it is at: pairs of name and value."""
        for name, value in cookies:
            cookie = {"name": name, "value": value, "path": "/", "secure": True, "httpOnly": True}
            self.call("POST", "/cookie", {"cookie": cookie})

    def run(self, script, *arguments, wait=False):
        """Runs a script; with `wait` its last argument is a function to be called with the result."""
        kind = "async" if wait else "sync"
        return self.call("POST", f"/execute/{kind}", {"script": script, "args": list(arguments)})

    # Elements

    def all(self, selector):
        found = self.call("POST", "/elements", {"using": "css selector", "value": selector})
        return [Element(self, e[ELEMENT]) for e in found]

    def one(self, selector, seconds=20):
        """The first element that fits; waits for it."""
        return wait(lambda: next(iter(self.all(selector)), None), f"{selector} on {self.url}", seconds)

    def has(self, selector):
        return bool(self.all(selector))

    def follow(self, selector):
        """Clicks, and waits until another document has replaced this one."""
        old = self.one("html").handle
        self.one(selector).click()
        self.await_new_document(old)

    def await_new_document(self, old):
        def replaced():
            found = self.all("html")
            return found and found[0].handle != old
        wait(replaced, "a new page", 30)

    # Looks

    def look(self, width=1280, height=900, dark=False):
        """Sets the screen and the colour scheme."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=width < 600)
        scheme = "dark" if dark else "light"
        self.devtools("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path):
        """The whole page, not only what fits the window."""
        size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def pdf(self):
        """The page as it would be printed."""
        return base64.b64decode(self.call("POST", "/print", {}))


def wait(condition, what, seconds=20):
    """Polls until the condition answers something true; returns that."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found := condition():
                return found
        except WebDriverError as error:
            # The page is just being replaced.
            if error.kind not in ("stale element reference", "no such element", "no such window"):
                raise
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)
