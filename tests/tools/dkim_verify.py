"""Checks every DKIM-Signature of a message with dkimpy.

usage: dkim_verify.py RECORDS.json MESSAGE
RECORDS.json is the answer of `sealpost --json check`: its records stand in for DNS.
Prints JSON: a list of [algorithm, domain, valid, names signed].
"""

import json
import sys

import dkim

records = {r["name"] + ".": r["text"] for r in json.load(open(sys.argv[1]))["records"]}
message = open(sys.argv[2], "rb").read()


def answer(name, timeout=5):
    text = records.get(name.decode())
    return text.encode() if text else None


results = []
reader = dkim.DKIM(message)
count = sum(1 for name, _ in reader.headers if name.lower() == b"dkim-signature")
for n in range(count):
    reader = dkim.DKIM(message)
    try:
        valid = reader.verify(idx=n, dnsfunc=answer)
    except dkim.DKIMException as error:
        print(error, file=sys.stderr)
        valid = False
    fields = dkim.util.parse_tag_value(
        [value for name, value in reader.headers if name.lower() == b"dkim-signature"][n]
    )
    names = [h.strip().lower().decode() for h in fields[b"h"].split(b":")]
    results.append([fields[b"a"].decode(), fields[b"d"].decode(), valid, names])
print(json.dumps(results))
