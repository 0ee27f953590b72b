"""Prints the newest message of an INBOX whose raw text contains a string; exit 1 when there is none.

usage: mailbox.py IMAPS_PORT CA LOGIN PASSWORD NEEDLE
"""
import imaplib
import ssl
import sys

port, ca, login, password, needle = sys.argv[1:]
client = imaplib.IMAP4_SSL("localhost", int(port), ssl_context=ssl.create_default_context(cafile=ca))
client.login(login, password)
client.select("INBOX", readonly=True)
status, found = client.search(None, "ALL")
for number in reversed(found[0].split()):
    status, data = client.fetch(number, "(BODY.PEEK[])")
    raw = data[0][1]
    if needle.encode() in raw:
        sys.stdout.buffer.write(raw)
        client.logout()
        sys.exit(0)
client.logout()
sys.stderr.write("not found\n")
sys.exit(1)
