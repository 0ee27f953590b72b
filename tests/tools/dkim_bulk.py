"""Checks every DKIM-Signature of many messages with dkimpy.

usage: dkim_bulk.py RECORDS.json DIRECTORY
RECORDS.json is the answer of `sealpost --json check`: its records stand in for DNS.
Prints JSON: for each file the algorithms whose signature is valid, or the fault. A header that is none by RFC 5322, which
its author wrote so, dkimpy does not read at all: a few such messages are left out.
"""

import json
import pathlib
import sys

import dkim

records = {r["name"] + ".": r["text"] for r in json.load(open(sys.argv[1]))["records"]}


def answer(name, timeout=5):
    text = records.get(name.decode())
    return text.encode() if text else None


def judge(message):
    reader = dkim.DKIM(message)
    names = [v for n, v in reader.headers if n.lower() == b"dkim-signature"]
    valid = []
    for n, value in enumerate(names):
        fields = dkim.util.parse_tag_value(value)
        if fields.get(b"d") != b"sealpost.test":
            continue
        if not dkim.DKIM(message).verify(idx=n, dnsfunc=answer):
            return "a signature is wrong"
        valid.append(fields[b"a"].decode())
    return valid


found, unread = {}, 0
for file in sorted(pathlib.Path(sys.argv[2]).iterdir()):
    try:
        found[file.name] = judge(file.read_bytes())
    except dkim.MessageFormatError as error:
        unread += 1
        if unread > 10:
            found[file.name] = str(error)
    except Exception as error:  # whatever dkimpy dislikes is a finding
        found[file.name] = str(error) or type(error).__name__
print(json.dumps(found))
