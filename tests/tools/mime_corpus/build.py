"""Bricks of messages and of what is expected of them.

A brick holds the bytes of one part and, beside them, the lines that describe it. The description comes from
what the brick was made of, never from a parser: content is digested before it is encoded.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field

CRLF = b"\r\n"


def b(text):
    """Text as bytes, for the convenience of the tables."""
    return text if isinstance(text, bytes) else text.encode("utf-8")


def base64_lines(content, width=76):
    text = base64.b64encode(content)
    return CRLF.join(text[i : i + width] for i in range(0, len(text), width))


def quoted(content):
    """Quoted-printable in its most careful form: every line is soft, all but letters and digits escaped."""
    out, width = bytearray(), 0
    for byte in content:
        piece = bytes([byte]) if chr(byte).isalnum() and byte < 128 else b"=%02X" % byte
        if width + len(piece) > 72:
            out += b"=\r\n"
            width = 0
        out += piece
        width += len(piece)
    return bytes(out)


def facts(media, role, content, *, name=None, cid=None, charset=None, cte=None, signed=False, text=None):
    """The line that is expected of a leaf."""
    words = [media, role]
    if name is not None:
        words.append("name=" + json.dumps(name, ensure_ascii=False))
    if cid is not None:
        words.append("cid=" + cid)
    if charset is not None:
        words.append("charset=" + charset)
    if cte is not None:
        words.append("cte=" + cte)
    if signed:
        words.append("signed")
    words.append(f"size={len(content)}")
    words.append("sha256=" + hashlib.sha256(content).hexdigest())
    if text is not None:
        words.append("text=" + json.dumps(text, ensure_ascii=False))
    return " ".join(words)


@dataclass
class Brick:
    """A part: header lines without the blank one, body, and the expected lines."""

    head: bytes
    body: bytes
    lines: list


def leaf(head, role, content, *, media=None, raw=None, **known):
    """A leaf whose header lines are `head`; `raw` is its body as it stands, else `content` is encoded as the
    header says."""
    head = [b(h) for h in ([head] if isinstance(head, (str, bytes)) else head)]
    content = b(content)
    low = b"\n".join(head).lower()
    if media is None:
        first = [h for h in head if h.lower().startswith(b"content-type:")]
        media = first[0].split(b":", 1)[1].split(b";")[0].strip().lower().decode() if first else "text/plain"
    if raw is None:
        if b"transfer-encoding: base64" in low:
            raw, known["cte"] = base64_lines(content), known.get("cte", "base64")
        elif b"transfer-encoding: quoted-printable" in low:
            raw, known["cte"] = quoted(content), known.get("cte", "quoted-printable")
        elif b"transfer-encoding: 8bit" in low:
            raw, known["cte"] = content, known.get("cte", "8bit")
        elif b"transfer-encoding: binary" in low:
            raw, known["cte"] = content, known.get("cte", "binary")
        else:
            raw = content
    return Brick(b"".join(h + CRLF for h in head), b(raw), [facts(media, role, content, **known)])


def text(content, charset=None, **known):
    """A readable text."""
    head = "Content-Type: text/plain" + (f"; charset={charset}" if charset else "")
    return leaf(head, "body", content, charset=charset, **known)


def html(content, **known):
    return leaf("Content-Type: text/html; charset=utf-8", "body", content, charset="utf-8", **known)


def pdf(name="a.pdf", content=b"%PDF-1.4\nnot really\n"):
    head = [
        f"Content-Type: application/pdf; name={name}",
        f"Content-Disposition: attachment; filename={name}",
        "Content-Transfer-Encoding: base64",
    ]
    return leaf(head, "attachment", content, name=name)


def multi(kind, boundary, children, *, preamble=b"", epilogue=b"", close=True, head=None, more="", extra=()):
    """A multipart. `head` replaces its Content-Type line, `more` adds parameters, `extra` adds lines."""
    if head is None:
        head = f'Content-Type: multipart/{kind}; boundary="{boundary}"{more}'
    lines = [f"multipart/{kind}"] + ["  " + line for child in children for line in child.lines]
    body = b(preamble)
    for child in children:
        body += b"--" + b(boundary) + CRLF + child.head + CRLF + child.body + CRLF
    if close:
        body += b"--" + b(boundary) + b"--" + b(epilogue)
    elif body.endswith(CRLF):
        body = body[:-2]
    top = b(head) + CRLF + b"".join(b(e) + CRLF for e in extra)
    return Brick(top, body, lines)


@dataclass
class Case:
    """One message and what is expected of it."""

    name: str
    about: str
    message: bytes
    lines: list
    notes: dict = field(default_factory=dict)

    def tree(self, python):
        out = ["about: " + self.about]
        out += [f"{key.replace('_', '-')}: {value}" for key, value in self.notes.items()]
        out.append("python: " + python)
        return "\n".join(out + ["", *self.lines]) + "\n"


def top(name, extra=()):
    """The fields that every message has."""
    lines = [
        b"From: Alice <alice@a.example>",
        b"To: bob@b.example",
        b"Subject: " + name.encode(),
        b"Date: Sun, 22 Nov 2026 10:00:00 +0100",
        b"Message-ID: <" + name.encode() + b"@a.example>",
        *(b(e) for e in extra),
        b"MIME-Version: 1.0",
    ]
    return CRLF.join(lines) + CRLF


def case(name, about, brick, *, end=CRLF, extra=(), **notes):
    """A message whose top part is `brick`."""
    message = top(name, extra) + brick.head + CRLF + brick.body + end
    return Case(name, about, message, brick.lines, notes)


def raw(name, about, rest, lines, **notes):
    """A message written by hand from its Content-Type on."""
    return Case(name, about, top(name) + b(rest), lines, notes)
