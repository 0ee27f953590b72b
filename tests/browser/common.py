"""What the scripts share: their task, mailboxes, and the steps at the door."""
import email
import email.policy
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tools"))

import mailbox  # noqa: E402  (ours, tests/tools/mailbox.py)
import webdriver  # noqa: E402

TASK = json.loads(sys.argv[1])


def browser(**options):
    return webdriver.Browser(spki=TASK["spki"], **options)


def mails(login):
    """The parsed messages of an INBOX, newest first."""
    raw = mailbox.messages(TASK["imaps"], TASK["ca"], login, TASK["accounts"].get(login, outside()))
    return [email.message_from_bytes(m, policy=email.policy.default) for m in raw]


def outside():
    """Every outside mailbox has the same password."""
    return next(p for login, p in TASK["accounts"].items() if login.endswith("@example.test"))


def code_mail(login, reference, not_code=None):
    """Waits for the code mail of a message; returns its subject and code."""
    def look():
        for mail in mails(login):
            subject = str(mail["Subject"])
            if not subject.startswith(("[Authentification ", "[Sign-in ")):
                continue
            text = mail.get_body(("plain",)).get_content()
            runs = re.findall(r"(?<!\d)\d{6}(?!\d)", text)
            assert len(runs) == 1, f"{len(runs)} runs of six digits in {text!r}"
            if reference in text and runs[0] != not_code:
                return subject, runs[0]
        return None
    return webdriver.wait(look, f"a code for {reference}", 45)


def wrong(code):
    """Six digits that are not the code."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


def ask(page, link):
    """From the landing page to the form for the code."""
    page.go(link)
    page.one("form[action$='/gate/otp-mail']")
    page.follow("form[action$='/gate/otp-mail'] button")
    page.one("input[name=code]")
    return page.one(".ref").text


def answer(page, code):
    """Types a code and submits it as a person does; where a script does that by itself, waits for it."""
    old = page.one("html").handle
    by_itself = page.has("input[data-auto]") and page.run("return !!document.querySelector('[data-until]').textContent")
    page.one("input[name=code]").type(code)
    if not by_itself:
        page.one("form[action$='/answer'] button").click()
    page.await_new_document(old)


def open_message(page):
    page.follow("form[action$='/open'] button[type=submit]")
    page.one("#body")


def done(result):
    json.dump(result, sys.stdout)
