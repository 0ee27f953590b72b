"""Writes the seeds of the fuzz targets into tests/fuzz/seeds.

    python3 tests/tools/fuzz_seeds.py PROOF.asice

Those of proofs, signatures and the log are taken from a proof of the demonstration; all others are written here or
taken from the corpora of the crates. What the fuzzers found is kept: nothing is deleted.
"""

import struct
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ROOT / "tests/fuzz/seeds"


def put(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def tnef():
    def attribute(level, ident, data):
        return struct.pack("<BII", level, ident, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)

    def text(ident, value):
        value = value.encode("utf-16-le") + b"\0\0"
        return struct.pack("<HHII", 0x1F, ident, 1, len(value)) + value + b"\0" * (-len(value) % 4)

    head = struct.pack("<IH", 0x223E9F78, 1) + attribute(1, 0x00089006, b"\0\0\1\0") + attribute(
        1, 0x00069007, struct.pack("<II", 1252, 0))
    begin = attribute(2, 0x00069002, bytes(14))
    listed = struct.pack("<I", 2) + text(0x3707, "Résumé.pdf") + text(0x370E, "application/pdf")
    plain = head + begin + attribute(2, 0x0006800F, b"%PDF-1.4") + attribute(2, 0x00018010, b"RESUME.PDF\0") + attribute(
        2, 0x00069005, listed)
    inner = bytes.fromhex("0703020000000000C000000000000046") + plain
    nested = head + begin + attribute(2, 0x00069005, struct.pack("<I", 2) + text(0x3001, "Re: x") + struct.pack(
        "<HHII", 0x0D, 0x3701, 1, len(inner)) + inner + b"\0" * (-len(inner) % 4))
    binary = head + begin + attribute(2, 0x00069005, struct.pack("<I", 1) + struct.pack(
        "<HHII", 0x102, 0x3701, 1, 4) + b"data")
    for name, stream in [("plain", plain), ("nested", nested), ("binary", binary)]:
        put("tnef", name, b"\7" + stream)
    return plain


def mail():
    made = ROOT / "gateway/message/tests/corpus/made"
    for name in ["related-around-alternative", "boundary-inner-longer", "base64-junk-within-groups", "qp-not-hex",
                 "smime-signed", "calendar-invitation", "digest", "name-2231-mixed", "boundary-header-cut", "report-dsn",
                 "base64-uneven", "bare-cr-lf", "rfc822-boundary-clash", "outlook-cid-image001"]:
        put("mime_walk", name, b"\0" + (made / f"{name}.eml").read_bytes())
    for name in ["name-2231-split-character", "name-2047-folded-words", "name-comment-between", "subject-two-charsets",
                 "from-escaped-quote", "group-address", "date-comment", "type-blanks", "fold-every-word"]:
        put("mime_header", name, (made / f"{name}.eml").read_bytes())
    import base64
    stream = base64.encodebytes(tnef()).replace(b"\n", b"\r\n")
    put("mime_walk", "tnef", b"\0Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n" + stream)
    for name, data in [("qp", b"\0caf=C3=A9 =\r\nnext=20\r\n"), ("base64", b"\1QUJD\r\nREV-G\r\nRw==junk"),
                       ("ended", b"\x32abcQUJD"), ("utf7", b"\0+AOk-j+AOA- 1+-1"), ("utf16", b"\1\xff\xfed\0\xe9\0"),
                       ("jis", b"\2\x1b$B%O\x1b(B")]:
        put("mime_decoders", name, data)
    for name, data in [("flowed", b"\x04> quoted \r\n> more\r\n-- \r\nAlice\r\nhttps://a.example/x?y=z"),
                       ("html", b'\1<p style="color:red" onclick="x">a<script>alert(1)</script><img src="cid:x">'),
                       ("broken", b'\1<table><td><a href="javascript:x">y</a><svg><style><!--</style><img src=x onerror=y>'),
                       ("meta", b'\x01<html><head><meta charset="koi8-r"></head><body background=x>\xf0</body>')]:
        put("mime_present", name, data)
    for name, data in [("usual", "alice@a.example"), ("quoted", '"a b"@a.example'), ("unicode", "élodie@été.example"),
                       ("literal", "a@[192.0.2.1]"), ("long", "a" * 64 + "@" + "b" * 60 + ".example"),
                       ("plus", "a+b@xn--t-9fab.example")]:
        put("address", name, data)


def skeletons():
    def record(tag, payload):
        return bytes([tag, len(payload)]) + payload
    headers = record(1, b"\0Subject: x\r\n\r\n")
    for name, records, size in [
        ("text", headers + record(3, b"\0\0\0\0Hello.\r\n"), 22),
        ("raw-part", headers + record(4, b"\1\3\0"), 17),
        ("base64-part", headers + record(4, b"\1\3\1\3\1\4\1"), 20),
        ("literals", headers + record(4, b"\1\6\1\6\3\4\4\1 \2\4\1"), 24),
        ("structure", record(2, b"--b\r\n"), 5),
    ]:
        put("skeleton", name, b"\0SPSK\1" + records + record(5, bytes([size])))


def wire():
    session = ("EHLO a.example\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nMAIL FROM:<alice@a.example> SIZE=100 BODY=8BITMIME\r\n"
               "RCPT TO:<bob@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+40b.example\r\nDATA\r\n"
               "Subject: x\r\n\r\n..dots\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n")
    put("smtp_session", "data", b"\x20" + session.encode())
    put("smtp_session", "bdat", b"\xf8" + b"EHLO a\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\nMAIL FROM:<> RET=HDRS ENVID=x\r\n"
        b"RCPT TO:<b@b.example>\r\nBDAT 5\r\nA: b\r\nBDAT 2 LAST\r\n\r\nVRFY x\r\nHELP\r\n")
    put("smtp_session", "starttls", b"\x0dEHLO a\r\nSTARTTLS\r\n")
    put("smtp_session", "relay", b"\x19EHLO a\r\nMAIL FROM:<a@a.example> SMTPUTF8\r\nRCPT TO:<\xc3\xa9@b.example>\r\nDATA\r\nx\r\n.\r\n")
    put("smtp_session", "scram", b"\x18EHLO a\r\nAUTH SCRAM-SHA-256 biwsbj11c2VyLHI9clBO\r\nYz1iaXdz\r\n*\r\n")
    put("smtp_session", "inbound", b"\x3aEHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<x@sealpost.test>\r\nDATA\r\nSubject: b\r\n\r\n.\r\n")
    replies = (b"220 mx ESMTP\r\n250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-DSN\r\n250-CHUNKING\r\n250-8BITMIME\r\n"
               b"250 ENHANCEDSTATUSCODES\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n550 5.1.1 no\r\n354 go\r\n250 2.0.0 done\r\n221 bye\r\n")
    put("smtp_client", "usual", b"\xfd" + replies)
    put("smtp_client", "plain", b"\xfd220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n451 later\r\n")
    put("smtp_client", "starttls", b"\xfc220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n250 mx\r\n")
    put("smtp_client", "helo", b"\xfd220 mx\r\n502 no\r\n250 mx\r\n421 4.3.2 closing\r\n")
    put("sasl", "plain", b"\0AGFsaWNlAHNlY3JldA==")
    put("sasl", "login", b"\1YWxpY2U=\nc2VjcmV0")
    put("sasl", "scram", b"\2n,,n=alice,r=abcdef\nc=biws,r=abcdefx,p=dGVzdA==")
    put("sasl", "scram-plus", b"\x0fp=tls-exporter,a=alice,n=alice,r=abcdef,x=y\nc=cD10bHM=,r=abc,p=AAAA")
    for number, name in enumerate(["SELECT INBOX", "FETCH 1 (FLAGS ENVELOPE BODY[1.MIME]<0.10>)",
                                   'SEARCH OR FROM "a" NOT KEYWORD x', "STORE 1:* +FLAGS (\\Deleted)",
                                   "LIST (SUBSCRIBED) \"\" (\"*\" INBOX/%) RETURN (STATUS (MESSAGES))",
                                   "UID COPY 1 Trash", "CREATE {3}\r\nabc", "APPEND INBOX (\\Seen) {13}\r\nSubject: x\r\n\r\n",
                                   "ENABLE CONDSTORE", "IDLE\r\nDONE", "STATUS INBOX (UIDNEXT)", "EXPUNGE",
                                   "APPEND INBOX {4+}\r\nabcd", "AUTHENTICATE PLAIN AGEAYg=="]):
        put("imap_session", f"{number:02}", bytes([0xFC if number % 2 else 0x10]) + f"x {name}\r\ny NOOP\r\n".encode())
    put("imap_session", "clear", b"\3c CAPABILITY\r\nd STARTTLS\r\ne LOGIN a b\r\nf LOGOUT\r\n")
    mails = ROOT / "gateway/message/tests/corpus/made"
    for name in ["rfc822-deep-2", "related-around-alternative", "boundary-no-close", "digest", "fold-every-word"]:
        put("imap_structure", name, b"\4" + (mails / f"{name}.eml").read_bytes())
    signature = b"\r\n\r\n\0\r\nQUIT\n"
    put("proxy", "tcp4", signature + b"\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 192, 0, 2, 2]) + b"\x12\x34\0\x19")
    put("proxy", "tcp6", signature + b"\x21\x21\0\x24" + bytes(36))
    put("proxy", "local", signature + b"\x20\0\0\0")
    put("proxy", "fields", signature + b"\x21\x11\0\x17" + bytes(12) + b"\x03\0\4\0\0\0\0" + b"\x04\0\1x")
    put("web_request", "usual", "__Host-sealpost=abc; __Host-sealpost-lang=fr\nbytes=0-99\ncsrf=abc&code=123456")
    put("web_request", "suffix", 'a="b c"; d=%41\nbytes=-5\npassword=%C3%A9+x&csrf=')
    put("web_request", "odd", "=;;a=b\nbytes=18446744073709551615-\ncode=1&code=2&x")


def rules():
    for number, text in enumerate([
        'recipient.domain in ["a.example"] && message.has_attachments', "message.size > 5000000",
        'message.subject.contains("x") || sender.login == "a@a.example"', 'message.attachment_extensions.exists(e, e == "pdf")',
        'message.headers["x-y"].matches("^a+$")', "!(message.tagged) ? true : false"]):
        put("condition", f"{number:02}", text)
    for number, text in enumerate([
        "[secure] Hello\nlink\notp-mail\n+33 6 12 34 56 78\n7 days\nPrivate", "RE: [sécurisé] x\nnotify\nopen\n\n2026-12-01",
        "x [secur] y\nbad\nbad\n0612345678;+44 20 7946 0018\nnever", "[secure 0612345678] x"]):
        put("hints", f"{number:02}", text)
    put("configuration", "sections", '[entity]\nname = "A"\ndomains = ["a.example"]\nhostname = "mx.a.example"\n\n'
        '[[rule]]\nname = "r"\nwhen = "message.tagged"\ntreatment = "link"\n\n[limits]\nrecipients = 10\n')
    put("configuration", "broken", "[listen\nhttps = \"0.0.0.0:443\"\nx = 1\n[limits]\nmime_depth = -1\n")
    put("configuration", "empty", "")


def proofs(path):
    put("proof", "whole.asice", Path(path).read_bytes())
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    import io
    for name, kept in [("few.asice", lambda n: n.startswith(("mimetype", "META-INF"))),
                       ("log.asice", lambda n: n.startswith(("mimetype", "log/")))]:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            for member, data in members.items():
                if kept(member):
                    archive.writestr(zipfile.ZipInfo(member), data)
        put("proof", name, out.getvalue())
    for name, data in members.items():
        short = name.replace("/", "-")
        if name.endswith(".p7s"):
            put("cms", short, data)
        elif name.endswith(".tst"):
            put("tsp", short, data)
            # TimeStampResp: granted, and the token.
            inner = b"\x30\x03\x02\x01\x00" + data
            put("tsp", "response.tsr", b"\x30\x82" + struct.pack(">H", len(inner)) + inner)
            put("tsp", "refused.tsr", b"\x30\x05\x30\x03\x02\x01\x02")
        elif name.endswith(".json"):
            put("journal", short, data)
        elif name.startswith("log/") and not name.endswith(".json"):
            put("log", short, data)
        elif name.startswith("evidence/") and name.endswith(".xml"):
            put("evidence", short, data)
        elif name.endswith("root-1.pem"):
            put("certificate", "root.pem", data)
            import base64
            put("certificate", "root.der", base64.b64decode(b"".join(data.split(b"-----")[2].split())))
    put("certificate", "two.pem", members["certificates/root-1.pem"] * 2)
    put("evidence", "short.xml", b'<?xml version="1.0" encoding="UTF-8"?><a xmlns="x"><b c="d">&amp;</b></a>')
    put("log", "tile-path", b"tile/0/x001/067.p/5")
    put("log", "frontier", b"\3" + bytes(64))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    mail()
    skeletons()
    wire()
    rules()
    proofs(sys.argv[1])
