"""A member of the organisation at the login."""
import base64
import hashlib
import hmac
import struct
import time


def totp(secret):
    """The code of an authenticator app (RFC 6238), early enough in its half minute to arrive."""
    if time.time() % 30 > 25:
        time.sleep(30 - time.time() % 30)
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def log_in(page, login, password, secret):
    from common import TASK
    page.go(TASK["base"] + "/login")
    page.one("input[name=identifier]").type(login)
    page.one("input[name=password]").type(password)
    old = page.one("html").handle
    page.one("input[name=code]").type(totp(secret))
    # A script may send a complete code by itself.
    if not page.has("input[name=code][data-auto]"):
        page.one("form[action='/login'] button[type=submit]:not([formaction])").click()
    page.await_new_document(old)
    assert not page.url.endswith("/login"), page.one("main").text
