"""A recipient signs in at Pro Santé Connect in Chromium: there, or on a telephone.

Task: link, method, identifier and telephone (an address; absent for the way over the provider's site), javascript,
language, axe, folder, logout (leave at the provider too).
"""
import os
import urllib.request

from common import TASK, browser, done, open_message, webdriver
from judge import Judge

result, judge = {}, Judge(TASK)


def shot(page, name):
    # Where pages run no scripts, the rules' script cannot end either.
    if TASK["javascript"]:
        judge.page(page, "oidc-" + name, TASK["language"])
    else:
        page.screenshot(os.path.join(TASK["folder"], f"oidc-{name}-plain.png"))
        judge.shots += 1


def carry_on(page, selector):
    """A page that goes on by itself does; without scripts its button is pressed."""
    if not TASK["javascript"]:
        page.one("form[data-auto-submit]")
        shot(page, "returned")
        page.follow("form[data-auto-submit] button")
    return page.one(selector)


def confirm():
    request = urllib.request.Request(TASK["telephone"], method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return answer.read().decode()


with browser(javascript=TASK["javascript"], language=TASK["language"]) as page:
    page.go(TASK["link"])
    shot(page, "landing")
    page.follow(f"form[action$='/gate/{TASK['method']}'] button")
    shot(page, "choose")
    if TASK.get("identifier"):
        page.one("input[name=identifier]").type(TASK["identifier"])
        page.follow("form[action$='/ring'] button")
        result["binding"] = page.one(".binding strong").text
        shot(page, "wait")
        result["rang"] = confirm()
        carry_on(page, "form[action$='/open'] button" if TASK["javascript"] else "h1")
    else:
        page.follow("form[action$='/leave'] button")
        page.one("#yes").click()
        carry_on(page, "form[action$='/open'] button" if TASK["javascript"] else "h1")
    page.one("form[action$='/open'] button")
    result["ready"] = page.one("h1").text
    open_message(page)
    result["body"] = page.one("#body").text
    if TASK.get("logout"):
        page.follow("form[action$='/logout'] button")
        page.one("form[action='/oidc/logout'] button")
        shot(page, "left")
        page.follow("form[action='/oidc/logout'] button")
        webdriver.wait(lambda: "/session/end" in page.url, "the provider's page", 20)
        result["left"] = page.url.split("?")[0]
done(result | judge.found())
