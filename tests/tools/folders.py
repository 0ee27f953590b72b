"""Prints everything that a login reads over IMAP: names of folders, and every message of each.

usage: folders.py IMAPS_PORT CA LOGIN PASSWORD [FOLDER…], where the named folders are tried too
"""
import imaplib
import re
import ssl
import sys

port, ca, login, password, *more = sys.argv[1:]
client = imaplib.IMAP4_SSL("localhost", int(port), ssl_context=ssl.create_default_context(cafile=ca))
client.login(login, password)
names = []
for pattern in ('"*"', '"%"', '"Other Users*"', '"#*"'):
    _, listed = client.list('""', pattern)
    for line in listed:
        print(line)
        found = re.search(rb'(?:"/"|"\."|NIL) (.+)$', line or b"")
        if found:
            names.append(found.group(1).decode().strip('"'))
for name in dict.fromkeys(names + more):
    state, _ = client.select(f'"{name}"', readonly=True)
    if state != "OK":
        print("refused", name in more)
        continue
    _, found = client.search(None, "ALL")
    for number in found[0].split():
        _, data = client.fetch(number, "(FLAGS ENVELOPE BODY.PEEK[])")
        print(data)
client.logout()
