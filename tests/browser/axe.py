"""Pages in Chromium: screenshots, what axe-core finds, that nothing overflows, that every page is light.

Task: axe (its script), folder (for screenshots), visits: a list of {login?, secret?, pages: [{name, path}]}. A visit
with a login begins at the login page, with password and authenticator app.
"""
import os

from common import TASK, browser, done, webdriver
from person import log_in

# Each pair of width, language and colours once.
VARIANTS = [(360, "fr", False), (1280, "fr", True), (360, "en", True), (1280, "en", False)]
# Heaviest page without fonts, in octets on the wire before compression.
HEAVIEST = 100_000
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
         "resultTypes": ["violations"]}

with open(TASK["axe"], encoding="utf-8") as file:
    AXE = file.read()
faults, shots = [], 0
os.makedirs(TASK["folder"], exist_ok=True)


def judge(page, name, width):
    page.run(AXE)
    found = page.run(
        "const rules = arguments[0], done = arguments[1];"
        "axe.run(document, rules).then(r => done(r.violations.map("
        "v => v.id + ': ' + v.help + ' at ' + v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(' | '))),"
        "e => done(['axe: ' + e]));", RULES, wait=True)
    faults.extend(f"{name}: {violation}" for violation in found)
    wide = page.run("return document.documentElement.scrollWidth")
    if wide > width:
        faults.append(f"{name}: {wide} px wide on a screen of {width}")
    weight = page.run("return [performance.getEntriesByType('navigation'), performance.getEntriesByType('resource')]"
                      ".flat().reduce((all, e) => all + e.decodedBodySize, 0)")
    if weight > HEAVIEST:
        faults.append(f"{name}: {weight} octets")


with browser() as page:
    for visit in TASK["visits"]:
        page.go(TASK["base"] + "/")
        page.forget()
        if visit.get("login"):
            log_in(page, visit["login"], visit["password"], visit["secret"])
        for wanted in visit["pages"]:
            for width, language, dark in VARIANTS:
                page.look(width=width, dark=dark)
                path = wanted["path"]
                before, hash_, end = path.partition("#")
                page.go(f"{TASK['base']}{before}{'&' if '?' in before else '?'}lang={language}{hash_}{end}")
                page.one("h1")
                name = f"{wanted['name']}-{width}-{language}-{'dark' if dark else 'light'}"
                page.run("document.getAnimations().forEach(a => a.finish())")
                page.screenshot(os.path.join(TASK["folder"], name + ".png"))
                shots += 1
                if page.run("return document.documentElement.lang") != language:
                    faults.append(f"{name}: not in this language")
                judge(page, name, width)
done({"faults": faults, "shots": shots})
