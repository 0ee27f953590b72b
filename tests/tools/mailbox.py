"""Reads an INBOX over IMAP: as a command it prints all messages, newest first, as a JSON list of base64 strings.

usage: mailbox.py IMAPS_PORT CA LOGIN PASSWORD
"""
import base64
import imaplib
import json
import ssl
import sys


def messages(port, ca, login, password):
    """The raw messages, newest first."""
    client = imaplib.IMAP4_SSL("localhost", int(port), ssl_context=ssl.create_default_context(cafile=ca))
    client.login(login, password)
    client.select("INBOX", readonly=True)
    _, found = client.search(None, "ALL")
    raw = []
    for number in reversed(found[0].split()):
        _, data = client.fetch(number, "(BODY.PEEK[])")
        raw.append(data[0][1])
    client.logout()
    return raw


if __name__ == "__main__":
    json.dump([base64.b64encode(raw).decode() for raw in messages(*sys.argv[1:])], sys.stdout)
