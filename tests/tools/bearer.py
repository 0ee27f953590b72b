"""Logs in by OAUTHBEARER and XOAUTH2. Usage: bearer.py SUBMISSIONS IMAPS CA LOGIN TOKEN"""

import base64
import imaplib
import json
import smtplib
import ssl
import sys

submissions, imaps, ca, login, token = sys.argv[1:6]
context = ssl.create_default_context(cafile=ca)


def messages(token):
    yield "OAUTHBEARER", f"n,a={login},\x01host=localhost\x01auth=Bearer {token}\x01\x01", "\x01"
    yield "XOAUTH2", f"user={login}\x01auth=Bearer {token}\x01\x01", ""


def by_imap(mechanism, message, acknowledgement):
    """The status, and the JSON with which a token was refused."""
    imap = imaplib.IMAP4_SSL("localhost", int(imaps), ssl_context=context)
    assert f"AUTH={mechanism}" in imap.capabilities, imap.capabilities
    told = []

    def answer(challenge):
        if not challenge:
            return message.encode()
        told.append(json.loads(challenge))
        return acknowledgement.encode()

    try:
        status = imap.authenticate(mechanism, answer)[0]
        imap.select("Sent")
        imap.logout()
    except imaplib.IMAP4.error as error:
        status = str(error)
    return status, told


def by_smtp(mechanism, message, acknowledgement):
    smtp = smtplib.SMTP_SSL("localhost", int(submissions), context=context)
    smtp.ehlo()
    assert mechanism in smtp.esmtp_features["auth"], smtp.esmtp_features
    code, text = smtp.docmd("AUTH", f"{mechanism} {base64.b64encode(message.encode()).decode()}")
    told = []
    if code == 334:
        told.append(json.loads(base64.b64decode(text)))
        code, text = smtp.docmd(base64.b64encode(acknowledgement.encode()).decode())
    smtp.quit()
    return code, told


for good in messages(token):
    assert by_imap(*good) == ("OK", []), good[0]
    assert by_smtp(*good) == (235, []), good[0]
for bad in messages("sealpost_wrong"):
    status, told = by_imap(*bad)
    assert "AUTHENTICATIONFAILED" in status and told[0]["scope"] == "mail", (status, told)
    code, told = by_smtp(*bad)
    assert code == 535 and told[0]["status"] in ("invalid_token", "401"), (code, told)
print("ok")
