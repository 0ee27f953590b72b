"""Looks at a sender's folders with imaplib. Usage: sent.py STEP PORT CA LOGIN PASSWORD [ARGUMENT…]"""

import email
import email.policy
import hashlib
import imaplib
import json
import re
import ssl
import sys
import time

step, port, ca, login, password = sys.argv[1:6]
more = sys.argv[6:]
context = ssl.create_default_context(cafile=ca)


def connect():
    imap = imaplib.IMAP4_SSL("localhost", int(port), ssl_context=context)
    imap.login(login, password)
    return imap


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def rows(imap, items):
    """uid → what FETCH says of it."""
    found = {}
    for row in ok(imap.uid("FETCH", "1:*", items)):
        text = row[0] if isinstance(row, tuple) else row
        number = re.search(rb"UID (\d+)", text or b"")
        if number:
            found[int(number.group(1))] = row
    return found


def copy(imap):
    """The copy is there, byte for byte, whole and in pieces; the client's own one is recognised as it."""
    message = open(more[0], "rb").read()
    listed = b"\n".join(ok(imap.list())).decode()
    assert "(\\HasNoChildren \\Sent) \"/\" \"Sent\"" in listed, listed
    assert "Proofs" in listed, listed
    assert ok(imap.select("Sent"))[0] == b"1"
    (uid, row), = rows(imap, "(RFC822.SIZE FLAGS BODYSTRUCTURE)").items()
    assert f"RFC822.SIZE {len(message)} ".encode() in row, (row, len(message))
    (data, *_) = ok(imap.uid("FETCH", str(uid), "(BODY.PEEK[])"))
    assert hashlib.sha256(data[1]).digest() == hashlib.sha256(message).digest()
    for start, length in [(0, 10), (100, 70000), (len(message) // 2, 65536), (len(message) - 5, 100)]:
        (data, *_) = ok(imap.uid("FETCH", str(uid), f"(BODY.PEEK[]<{start}.{length}>)"))
        assert data[1] == message[start : start + length], (start, length)
    told = ok(imap.append("Sent", "(\\Seen \\Flagged)", None, message))
    assert f"[APPENDUID " in told[0].decode() and f" {uid}]" in told[0].decode(), told
    assert list(rows(imap, "(FLAGS)")) == [uid]
    told = ok(imap.append("Sent", "(\\Seen)", None, message.replace(b"Message-ID: <", b"Message-ID: <other-")))
    assert f" {uid + 1}]" in told[0].decode(), told
    ok(imap.uid("STORE", str(uid + 1), "+FLAGS", "(\\Deleted)"))
    ok(imap.expunge())
    for folder in ["Sent", "Proofs"]:
        assert imap.delete(folder)[0] == "NO", folder
        assert imap.rename(folder, "Other")[0] == "NO", folder
    return {"uid": uid}


def idle(imap):
    """Waits in IDLE until the copy has all the keywords; answers what it was told."""
    wanted = more
    ok(imap.select("Sent"))
    tag = imap._new_tag()
    imap.send(tag + b" IDLE\r\n")
    assert imap.readline().startswith(b"+")
    print("idle", flush=True)
    told = []
    while not all(any(word in line for line in told) for word in wanted):
        line = imap.readline().decode().strip()
        # Keywords that are new to the folder are listed first.
        if not line.startswith("* FLAGS ("):
            told.append(line)
    imap.send(b"DONE\r\n")
    while not imap.readline().startswith(tag):
        pass
    (row,) = rows(imap, "(FLAGS MODSEQ)").values()
    return {"told": told, "now": row.decode()}


def flags(imap):
    """Waits for keywords; answers the modification sequence."""
    begun = time.monotonic()
    while True:
        ok(imap.select("Sent", readonly=True))
        (row,) = rows(imap, "(FLAGS MODSEQ)").values()
        if all(word.encode() in row for word in more):
            return {"row": row.decode(), "modseq": int(re.search(rb"MODSEQ \((\d+)\)", row).group(1))}
        assert time.monotonic() - begun < 45, row
        time.sleep(0.1)


def proofs(imap):
    """Waits until the deposit's message in Proofs has evidence of an event."""
    event, begun = more[0], time.monotonic()
    while True:
        ok(imap.select("Proofs", readonly=True))
        found = rows(imap, "(BODY.PEEK[])")
        if len(found) == 1:
            ((uid, row),) = found.items()
            message = email.message_from_bytes(row[1], policy=email.policy.default)
            files = {p.get_filename(): p.get_content() for p in message.iter_attachments()}
            if any(event in name and name.endswith(".p7s") for name in files):
                break
        assert len(found) <= 1, found.keys()
        assert time.monotonic() - begun < 45, found.keys()
        time.sleep(0.1)
    if len(more) > 1:
        for name, content in files.items():
            open(f"{more[1]}/{name}", "wb").write(content)
    text = message.get_body(("plain",)).get_content()
    return {"uid": uid, "files": sorted(files), "text": text, "subject": message["subject"], "raw": row[1].decode()}


imap = connect()
print(json.dumps({"copy": copy, "idle": idle, "flags": flags, "proofs": proofs}[step](imap)), flush=True)
imap.logout()
