"""A member of the organisation writes a message with a file in Chromium, and follows it.

Task: login, password, secret, javascript, language, file (a path), to, wrong (an address that is none), shots.
"""
import os

from common import TASK, browser, done, webdriver
from person import log_in

result = {}


def put(page, selector, text):
    """What a person types, in place of what stood there."""
    page.run("arguments[0].value = ''", {webdriver.ELEMENT: page.one(selector).handle})
    page.one(selector).type(text)


def shot(page, name):
    for width in (360, 1280):
        page.look(width=width)
        page.screenshot(os.path.join(TASK["shots"], f"{name}-{width}-{TASK['language']}-light.png"))


with browser(javascript=TASK["javascript"], language=TASK["language"]) as page:
    log_in(page, TASK["login"], TASK["password"], TASK["secret"])
    page.go(TASK["base"] + "/compose")
    put(page, "#to", TASK["wrong"])
    put(page, "#subject", "Résultats d’analyse")
    put(page, "#message", "Bonjour,\n\nVoici vos résultats.\n")
    page.one("#password").type("un secret partagé")
    page.one("#password2").type("un autre")
    page.one("#file").type(TASK["file"])
    if TASK["javascript"]:
        page.one(".uploads input[name=upload]")
    page.follow("button[value=send]")
    shot(page, "app-compose-wrong")
    # What was wrong stands beside its field, and what was typed is still there.
    result["to_wrong"] = page.one("#to-wrong").text
    result["password_wrong"] = page.one("#password-wrong").text
    result["kept"] = [page.run("return document.querySelector(arguments[0]).value", s)
                      for s in ("#to", "#subject", "#message", "#password")]
    result["files"] = [e.text for e in page.all(".uploads .name")]
    put(page, "#to", TASK["to"])
    page.one("#password").type("un secret partagé")
    page.one("#password2").type("un secret partagé")
    page.follow("button[value=send]")
    result["banner"] = page.one("[role=status]").text
    result["title"] = page.one("h1").text
    result["address"] = page.url
    shot(page, "app-sent")
    result["draft"] = None
    sendings = "td[data-of] + td[data-of] + td[data-of] + td.num"

    def sent():
        page.go(result["address"].split("?")[0])
        return page.one(sendings).text.strip() == "1"
    webdriver.wait(sent, "the first sending", 30)
    page.follow("form[action$='/resend'] button")
    result["again"] = page.one("[role=status]").text

    def twice():
        page.go(result["address"].split("?")[0])
        return page.one(sendings).text.strip() == "2"
    webdriver.wait(twice, "the second sending", 30)
    result["story"] = [e.text for e in page.all(".timeline li > span:not(.by):not(.seal-time)")]
    page.go(TASK["base"] + "/deposits")
    result["row"] = page.one(".rows li").text
    page.go(TASK["base"] + "/compose")
    result["draft"] = page.run("return document.querySelector('#subject').value")
    page.go(TASK["base"] + "/journal")
    result["journal"] = page.one("table").text
    page.follow("form.leave button")
    page.go(TASK["base"] + "/deposits")
    result["left"] = page.url
done(result)
