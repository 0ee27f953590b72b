"""One recipient's way in Chromium: landing, code by mail, opening, files, ZIP, print, logout.

Task: link, login, javascript, language, downloads (a directory), wrong_first.
"""
import base64
import os

from common import TASK, answer, ask, browser, code_mail, done, open_message, webdriver, wrong

link, folder = TASK["link"], TASK["downloads"]
result = {}


def download(page, selector, name):
    page.one(selector).click()
    path = os.path.join(folder, name)
    webdriver.wait(lambda: os.path.exists(path) and not os.path.exists(path + ".crdownload"), f"the file {name}", 60)
    return path


with browser(javascript=TASK["javascript"], language=TASK["language"], downloads=folder) as page:
    reference = ask(page, link)
    result["reference"] = reference
    # A code that was sent for the first time was not sent again.
    result["notices"] = [note.text for note in page.all(".note")]
    # The countdown beside the code's end is a script's work.
    result["scripts"] = bool(page.run("return document.querySelector('[data-until]').textContent"))
    result["subject"], code = code_mail(TASK["login"], reference)
    if TASK["wrong_first"]:
        answer(page, wrong(code))
        result["after_wrong"] = page.one("[role=alert]").text
        result["tries"] = page.one("#left").text
    answer(page, code)
    result["ready"] = page.one("h1").text
    open_message(page)
    result["title"] = page.one("h1").text
    result["language"] = page.one("html").attribute("lang")
    result["body"] = page.one("#body").text
    result["files"] = []
    for item in page.all("ul.files li"):
        name = item.all("a.file-name")[0]
        result["files"].append({
            "name": name.text, "href": name.attribute("href"), "sha256": item.attribute("data-sha256")})
    for file in result["files"]:
        file["saved"] = download(page, f"a.file-name[href='{file['href']}']", file["name"])
    if len(result["files"]) > 1:
        before = set(os.listdir(folder))
        page.one("a[href$='/all.zip']").click()
        def zipped():
            return [n for n in set(os.listdir(folder)) - before if n.endswith(".zip")]
        result["zip"] = os.path.join(folder, webdriver.wait(zipped, "the ZIP", 60)[0])
    page.follow("a[href$='/print']")
    result["printed"] = os.path.join(folder, "printed.pdf")
    with open(result["printed"], "wb") as file:
        file.write(page.pdf())
    page.follow("a.button[href*='/m/']")
    # A second visit needs no second code.
    page.go(link)
    result["again"] = page.one("h1").text
    page.follow("form[action$='/logout'] button")
    result["logged_out"] = page.one("h1").text
    page.go(link)
    result["after_logout"] = page.one("h1").text
    result["cookies"] = [{k: c.get(k) for k in ("name", "httpOnly", "secure", "sameSite")} for c in page.cookies()]
done(result)
