"""Every page that a recipient, or anybody before logging in, may come upon; each judged in both languages.

Task: axe, folder, doors (language → links: all, steps, plain, expired), tired (a link after many wrong codes), ended
(name → links that open no more), bob, dora, alice (mailboxes), password (of the message), staff (login, password,
secret), setlink (path of a link to set a password), proof and damaged (files).
"""
from common import TASK, answer, ask, browser, code_mail, done, mails, open_message, webdriver, wrong
from judge import Judge
from person import log_in

judge = Judge(TASK)


def at_the_gate(page, shoot, links):
    """A message for which every method is allowed."""
    link = links["all"]
    page.go(link)
    shoot("landing")
    page.follow("form[action$='/gate/cps'] button")
    shoot("card-start")
    # This browser holds no card.
    page.follow("a.button[href*='/card/']")
    shoot("card-none")
    page.go(link)
    page.follow("form[action$='/gate/totp'] button")
    shoot("totp")
    page.go(link)
    page.follow("form[action$='/gate/tiqr'] button")
    shoot("tiqr")
    page.go(link + "/tiqr?offline=1")
    page.one("#identifier").type("nobody")
    page.one("#answer").type("123456")
    page.follow("form[action$='/tiqr/code'] button")
    shoot("tiqr-wrong")
    reference = ask(page, link)
    shoot("code")
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    shoot("code-open")
    _, code = code_mail(TASK["bob"], reference)
    answer(page, wrong(code))
    page.one("[role=alert]")
    shoot("code-wrong")
    page.go(link)
    page.follow("form[action$='/gate/otp-mail'] button")
    answer(page, code)
    shoot("ready")
    open_message(page)
    shoot("content")
    page.follow("a[href$='/print']")
    shoot("print")
    page.go(link + "/phone")
    shoot("phone-taken")
    page.go(link + "/colleague")
    shoot("colleague")
    page.one("#colleague").type("eve")
    page.run("document.querySelector('main form').noValidate = true")
    page.follow("main form button")
    page.one("[aria-invalid]")
    shoot("colleague-wrong")
    page.run("document.querySelector('#colleague').value = ''")
    page.one("#colleague").type("eve@example.test")
    page.follow("main form button")
    shoot("colleague-named")
    page.go(link)
    page.follow("form[action$='/acknowledge'] button")
    page.one("p.state")
    shoot("acknowledged")
    page.go(link)
    page.follow("form[action$='/logout'] button")
    shoot("left")
    page.go(link + "/files/1")
    shoot("no-session")


def by_steps(page, shoot, links):
    """A password, then a code by SMS."""
    page.go(links["steps"])
    page.follow("form[action$='/gate/password'] button")
    shoot("password")
    page.one("input[name=password]").type(TASK["password"])
    page.follow("form[action$='/answer'] button")
    shoot("landing-second-step")
    page.follow("form[action$='/gate/otp-sms'] button")
    shoot("sms")
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    shoot("sms-open")
    page.follow("form[action$='/not-mine'] button")
    shoot("sms-not-mine")
    page.go(links["steps"])
    shoot("landing-no-way")


def manners(page, shoot, links):
    """Enrolling a phone, refusing, asking for more time; and the sender's answer."""
    link = links["plain"]
    reference = ask(page, link)
    _, code = code_mail(TASK["dora"], reference)
    answer(page, code)
    open_message(page)
    page.go(link + "/phone")
    shoot("phone-offer")
    page.follow("form[action$='/phone'] button")
    shoot("phone-code")
    page.go(link + "/decline")
    shoot("decline")
    page.one("input[value=declined]").click()
    page.follow("main form button")
    shoot("declined")
    page.go(link)
    shoot("ended-declined")
    page.go(links["expired"])
    shoot("ended-expired")
    page.go(links["expired"] + "/extension")
    shoot("extension")
    page.follow("main form button")
    shoot("extension-asked")
    page.go(links["expired"] + "/extension")
    if page.has("main form"):
        page.follow("main form button")
    shoot("extension-again")


def ended(page, shoot):
    for name, link in sorted(TASK["ended"].items()):
        page.go(link)
        shoot("ended-" + name)
    page.go(TASK["tired"])
    page.run("document.querySelector(\"form[action$='/gate/otp-mail'] [name=csrf]\").value = 'x'")
    page.follow("form[action$='/gate/otp-mail'] button")
    shoot("forged")
    page.go(TASK["tired"])
    page.follow("form[action$='/gate/otp-mail'] button")
    page.one("[data-altcha]")
    shoot("effort")


def answer_of_the_sender(page, shoot, taken):
    """The link in the mail that asked for more time; each language answers one."""
    marker = TASK["base"] + "/a/"

    def look():
        for mail in mails(TASK["alice"]):
            body = mail.get_body(("plain",))
            text = body.get_content() if body else ""
            for part in text.split(marker)[1:]:
                link = marker + part.split()[0]
                if link not in taken:
                    return link
        return None
    link = webdriver.wait(look, "a request for more time", 45)
    taken.add(link)
    page.go(link)
    shoot("answer")
    page.follow("button[value=grant]")
    shoot("answered")


def strangers(page, shoot, language):
    """Before logging in, and what is open to everybody."""
    base = TASK["base"]
    page.go(base + "/login")
    shoot("login")
    page.one("input[name=identifier]").type("nobody@sealpost.test")
    page.one("input[name=password]").type("wrong")
    page.follow("button[formaction]")
    shoot("login-sent")
    page.one("input[name=code]").type("wrong1")
    page.follow("form[action='/login'] button[type=submit]:not([formaction])")
    page.one("#word")
    shoot("login-wrong")
    page.go(base + "/login/tiqr")
    shoot("login-tiqr")
    page.follow("form[action='/login/tiqr'] button")
    shoot("login-tiqr-code")
    page.go(base + "/logout")
    shoot("logged-out")
    for path in ("forgotten", "first"):
        page.go(f"{base}/password/{path}")
        shoot(f"password-{path}")
        page.one("main input[name=identifier]").type("nobody@sealpost.test")
        page.follow("main form button[type=submit]")
        shoot(f"password-{path}-asked")
    page.go(base + "/password/unknown")
    shoot("password-unknown")
    for name, typed in (("identifier", "nobody@sealpost.test"), ("address", "n@example.test"), ("phone", "12")):
        page.one(f"main input[name={name}]").type(typed)
    page.follow("main form button[type=submit]")
    shoot("password-unknown-wrong")
    page.run("document.querySelector('main input[name=phone]').value = '06 12 34 56 78'")
    page.follow("main form button[type=submit]")
    shoot("password-unknown-asked")
    page.go(base + "/password/set/" + "A" * 27)
    shoot("password-set-unknown")
    page.go(base + TASK["setlinks"][language])
    shoot("password-set")
    page.one("input[name=new]").type("azertyuiop12!")
    page.one("input[name=again]").type("azertyuiop12!")
    page.follow("main form button[type=submit]")
    page.one("[role=alert]")
    shoot("password-set-weak")
    for name in ("new", "again"):
        page.one(f"input[name={name}]").type("Tilleul&7-verveine")
    page.follow("main form button[type=submit]")
    shoot("password-set-done")
    for name in ("proof", "damaged"):
        page.go(base + "/verify")
        if name == "proof":
            shoot("verify")
        page.one("input[type=file]").type(TASK[name])
        page.follow("main form button[type=submit]")
        shoot("verify-" + name)
    page.go(base + "/nothing/here")
    shoot("not-found")


def account(page, shoot):
    """What a person of ours changes about the own account."""
    base, password = TASK["base"], TASK["staff"]["password"]

    def change(action):
        page.go(base + "/account")
        page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        form = f"form[action='{action}']"
        page.one(f"{form} input[name=password]").type(password)
        if page.has(f"{form} input[name=label]"):
            page.one(f"{form} input[name=label]").type("Tablette")
        page.follow(f"{form} button[type=submit]")
        page.one("#once")

    page.go(base + "/account")
    shoot("account")
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    shoot("account-open")
    for name, action in (("app", "/account/app"), ("codes", "/account/codes"), ("program", "/account/programs")):
        change(action)
        shoot("account-" + name)
    for name in ("card", "number", "phone"):
        page.go(f"{base}/account/{name}")
        shoot(f"account-{name}")
    # Under way already in the second language.
    if page.has("form[action='/account/phone'] button"):
        page.one("form[action='/account/phone'] input[name=password]").type(password)
        page.follow("form[action='/account/phone'] button")
    shoot("account-phone-code")


with browser() as page:
    taken = set()
    for language in ("fr", "en"):
        def shoot(name):
            page.one("h1")
            judge.page(page, "door-" + name, language)

        links = TASK["doors"][language]
        page.go(f"{TASK['base']}/login?lang={language}")
        for step in (at_the_gate, by_steps, manners):
            step(page, shoot, links)
        ended(page, shoot)
        # Somebody else: a login that was begun in the other language would still be under way.
        page.forget()
        page.go(f"{TASK['base']}/login?lang={language}")
        strangers(page, shoot, language)
        answer_of_the_sender(page, shoot, taken)
    log_in(page, TASK["staff"]["login"], TASK["staff"]["password"], TASK["staff"]["secret"])
    for language in ("fr", "en"):
        def shoot(name):
            page.one("h1")
            judge.page(page, "door-" + name, language)

        page.go(f"{TASK['base']}/account?lang={language}")
        account(page, shoot)
done(judge.found())
