"""Every page at two widths, in both languages, light and dark: screenshots, and that nothing overflows.

Task: link (a message with files), login, ended (name → link of expired, revoked… messages), folder.
"""
import os

from common import TASK, answer, ask, browser, code_mail, done, open_message, webdriver, wrong

link, folder = TASK["link"], TASK["folder"]
faults, count = [], 0
VARIANTS = [(width, language, dark) for width in (360, 1280) for language in ("fr", "en") for dark in (False, True)]
os.makedirs(folder, exist_ok=True)


def shoot(page, name):
    global count
    count += 1
    # A change of colours takes a moment; the picture is of its end.
    page.run("document.getAnimations().forEach(a => a.finish())")
    page.screenshot(os.path.join(folder, name + ".png"))
    wide = page.run("return [document.documentElement.scrollWidth, window.innerWidth]")
    if wide[0] > wide[1]:
        faults.append(f"{name}: {wide[0]} px wide on a screen of {wide[1]}")
    small = page.run("""return [...document.querySelectorAll('button, a.button, input:not([type=hidden])')]
        .map(e => [e.getBoundingClientRect(), e.textContent.trim() || e.name])
        .filter(([r]) => r.width && r.height && (r.height < 24 || r.width < 24)).map(([, t]) => t)""")
    faults.extend(f"{name}: the target {text!r} is under 24 px" for text in small)
    if not page.title.strip() or len(page.all("h1")) != 1:
        faults.append(f"{name}: title or h1 is missing")


def name(step, width, language, dark):
    return f"{step}-{width}-{language}-{'dark' if dark else 'light'}"


def everywhere(page, step, url):
    """A page that can be fetched in every variant."""
    for width, language, dark in VARIANTS:
        page.look(width=width, dark=dark)
        page.go(f"{url}{'&' if '?' in url else '?'}lang={language}")
        page.one("h1")
        shoot(page, name(step, width, language, dark))


def once(page, step, language):
    """A page that answers a form: shown again only by other means, so that size and colours change alone."""
    for width, wanted, dark in VARIANTS:
        if wanted == language:
            page.look(width=width, dark=dark)
            shoot(page, name(step, width, language, dark))


with browser() as page:
    everywhere(page, "01-landing", link)
    code, reference = None, None
    for language in ("fr", "en"):
        page.go(f"{link}?lang={language}")
        reference = ask(page, link)
        _, code = code_mail(TASK["login"], reference)
        once(page, "02-code", language)
        answer(page, wrong(code))
        page.one("[role=alert]")
        once(page, "03-wrong-code", language)
    answer(page, code)
    page.one("form[action$='/open']")
    everywhere(page, "04-ready", link)
    open_message(page)
    everywhere(page, "05-content", link)
    everywhere(page, "06-print", link + "/print")
    for language in ("fr", "en"):
        page.go(f"{link}?lang={language}")
        page.follow("form[action$='/logout'] button")
        once(page, "07-logged-out", language)
        if language == "fr":
            # The code still holds: it stands for the consignment, not for a browser.
            page.go(link)
            page.follow("form[action$='/gate/otp-mail'] button")
            _, code = code_mail(TASK["login"], reference)
            answer(page, code)
            open_message(page)
    everywhere(page, "08-no-session", link + "/files/1")
    for step, other in sorted(TASK["ended"].items()):
        everywhere(page, step, other)
    everywhere(page, "20-home", TASK["base"] + "/")
    everywhere(page, "21-demo", TASK["base"] + "/demo")
    page.go(TASK["base"] + "/demo")
    mail = page.one("ul.mails a").attribute("href")
    everywhere(page, "22-demo-mail", TASK["base"] + mail)
done({"faults": faults, "count": count})
