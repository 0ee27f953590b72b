"""Pages that can be fetched, in Chromium, judged one by one.

Task: axe (its script), folder (for screenshots), visits: a list of {login?, secret?, pages: [{name, path}]}. A visit
with a login begins at the login page, with password and authenticator app; one with a session goes on with that.
"""
from common import TASK, browser, done
from judge import Judge
from person import log_in

judge = Judge(TASK)
with browser() as page:
    for visit in TASK["visits"]:
        page.go(TASK["base"] + "/")
        page.forget()
        if visit.get("login"):
            log_in(page, visit["login"], visit["password"], visit["secret"])
        if visit.get("session"):
            page.keep(visit["session"])
        for wanted in visit["pages"]:
            for language in ("fr", "en"):
                path = wanted["path"]
                before, hash_, end = path.partition("#")
                page.go(f"{TASK['base']}{before}{'&' if '?' in before else '?'}lang={language}{hash_}{end}")
                page.one("h1")
                judge.page(page, wanted["name"], language)
done(judge.found())
