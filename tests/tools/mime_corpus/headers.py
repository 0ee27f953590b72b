"""Headers: repeated, empty, strangely folded, in raw 8-bit, with encoded words in every state."""

from build import CRLF, Case, b, case, facts, leaf, multi, raw, text, top

# name, raw value of Subject (folds included), what a person reads
SUBJECTS = [
    ("plain", "Hello", "Hello"),
    ("none-after-colon", "", ""),
    ("blanks-only", "   ", ""),
    ("folded", "one\r\n two", "one two"),
    ("folded-tab", "one\r\n\ttwo", "one two"),
    ("q-word", "=?utf-8?Q?caf=C3=A9?=", "café"),
    ("q-underscore", "=?utf-8?Q?a_b?=", "a b"),
    ("b-word", "=?UTF-8?B?Y2Fmw6k=?=", "café"),
    ("lower-case-letters", "=?utf-8?q?caf=c3=a9?=", "café"),
    ("two-words-joined", "=?utf-8?Q?caf?= =?utf-8?Q?=C3=A9?=", "café"),
    ("two-words-folded", "=?utf-8?Q?caf?=\r\n =?utf-8?Q?=C3=A9?=", "café"),
    ("word-then-text", "=?utf-8?Q?caf=C3=A9?= noir", "café noir"),
    ("text-then-word", "un =?utf-8?Q?caf=C3=A9?=", "un café"),
    ("two-charsets", "=?iso-8859-1?Q?=E9?= =?koi8-r?B?8A==?=", "éП"),
    ("language-tag", "=?utf-8*fr?Q?caf=C3=A9?=", "café"),
    ("gb18030-word", "=?gb18030?B?zsS8/g==?=", "文件"),
    ("iso-2022-jp-word", "=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "日本"),
    ("not-a-word", "=?not a word?=", "=?not a word?="),
    ("raw-utf8", "café".encode(), "café"),
    ("raw-latin1", b"caf\xe9", "café"),
    ("encoded-line-break", "=?utf-8?Q?a=0D=0ABcc:_x?=", "a  Bcc: x"),
    ("direction-override", "=?utf-8?Q?a=E2=80=AEb?=", "ab"),
    ("equals-signs", "a=b=?c", "a=b=?c"),
    ("tabs-inside", "a\tb", "a b"),
]

SENDERS = [
    # name, raw value of From, mailboxes as "name <address>"
    ("bare", "alice@a.example", "alice@a.example"),
    ("angle", "<alice@a.example>", "alice@a.example"),
    ("named", "Alice <alice@a.example>", "Alice <alice@a.example>"),
    ("quoted", '"Doe, Alice" <alice@a.example>', "Doe, Alice <alice@a.example>"),
    ("comment", "alice@a.example (Alice)", "Alice <alice@a.example>"),
    ("encoded", "=?utf-8?Q?Am=C3=A9lie?= <a@a.example>", "Amélie <a@a.example>"),
    ("raw-utf8", "Amélie <a@a.example>", "Amélie <a@a.example>"),
    ("two", "alice@a.example, bob@b.example", "alice@a.example | bob@b.example"),
    ("folded", "Alice\r\n <alice@a.example>", "Alice <alice@a.example>"),
    ("quoted-local", '"alice smith"@a.example', '"alice smith"@a.example'),
    ("quoted-local-named", 'A <"alice smith"@a.example>', 'A <"alice smith"@a.example>'),
    ("upper-case", "ALICE@A.EXAMPLE", "ALICE@A.EXAMPLE"),
    ("escaped-quote", '"A \\"B\\" C" <a@a.example>', 'A "B" C <a@a.example>'),
    ("blanks", "   Alice   <alice@a.example>   ", "Alice <alice@a.example>"),
    ("plus", "alice+tag@a.example", "alice+tag@a.example"),
]


def written(name, about, fields, lines, **notes):
    """A message all of whose header is written by hand."""
    return Case(name, about, b(fields), lines, notes)


def cases():
    body = facts("text/plain", "body", b"Hello.\r\n")
    for name, value, shown in SUBJECTS:
        fields = b"From: a@a.example\r\nSubject: " + b(value) + b"\r\n\r\nHello.\r\n"
        yield written("subject-" + name, "a subject: " + name.replace("-", " "), fields, [body], subject=shown)
    for name, value, shown in SENDERS:
        fields = f"From: {value}\r\nSubject: x\r\n\r\nHello.\r\n"
        yield written("from-" + name, "an author: " + name.replace("-", " "), fields, [body], **{"from": shown})

    for field in ("From", "To", "Subject", "Date", "Message-ID", "Sender", "Reply-To", "Content-Type"):
        yield written(f"repeated-{field.lower()}", f"two fields {field}: noted, the first one counts",
                      f"{field}: <a@a.example>\r\nX: y\r\n{field}: <b@b.example>\r\n\r\nHello.\r\n",
                      [body], repeated=field.lower(), defects="repeated field")
    yield written("repeated-received", "fields that may repeat", "Received: a\r\nReceived: b\r\nReceived: c\r\n\r\nHello.\r\n",
                  [body], repeated="")
    yield written("empty-message", "no byte at all", b"", [facts("text/plain", "body", b"")])
    yield written("only-blank-line", "nothing but a blank line", b"\r\n", [facts("text/plain", "body", b"")])
    yield written("no-header-at-all", "a body that begins at once", b"Hello world\r\nsecond line\r\n",
                  [facts("text/plain", "body", b"Hello world\r\nsecond line\r\n")], defects="no header")
    yield written("blank-line-then-text", "a blank line, then text", b"\r\nHello.\r\n", [body])
    yield written("header-only", "a header and nothing more", b"From: a@a.example\r\nSubject: x\r\n",
                  [facts("text/plain", "body", b"")], subject="x")
    yield written("header-only-no-line-end", "the header breaks off", b"From: a@a.example\r\nSubject: x",
                  [facts("text/plain", "body", b"")], subject="x", defects="cut off")
    yield written("header-with-blank-line", "a header, a blank line, no body", b"From: a@a.example\r\nSubject: x\r\n\r\n",
                  [facts("text/plain", "body", b"")], subject="x")
    yield written("line-without-colon", "a line without colon begins the body",
                  b"Subject: x\r\nthis is no field\r\nTo: b@b.example\r\n\r\nHello.\r\n",
                  [facts("text/plain", "body", b"this is no field\r\nTo: b@b.example\r\n\r\nHello.\r\n")], subject="x",
                  defects="no blank line after the header")
    yield written("field-name-with-blank", "a name with a blank is no field",
                  b"Subject: x\r\nMy Field: y\r\n\r\nHello.\r\n",
                  [facts("text/plain", "body", b"My Field: y\r\n\r\nHello.\r\n")], subject="x",
                  defects="malformed field")
    yield written("blank-before-colon", "a blank before the colon (RFC 5322 4.5)", b"Subject : x\r\n\r\nHello.\r\n", [body],
                  subject="x", defects="obsolete syntax")
    yield written("fold-of-blanks", "a continuation that holds nothing but blanks", b"Subject: a\r\n  \t \r\n b\r\n\r\nHello.\r\n",
                  [body], defects="fold of blanks")
    yield written("fold-first-line", "the first line is a continuation", b" folded\r\nSubject: x\r\n\r\nHello.\r\n",
                  [facts("text/plain", "body", b" folded\r\nSubject: x\r\n\r\nHello.\r\n")], defects="fold without field")
    yield written("fold-every-word", "a fold after every word",
                  b"Content-Type:\r\n text/html;\r\n charset\r\n =\r\n utf-8\r\n\r\n<p>x</p>\r\n",
                  [facts("text/html", "body", b"<p>x</p>\r\n", charset="utf-8")])
    yield written("mbox-line", "an envelope line of mbox before the header", b"From a@a.example Sun Nov 22 10:00:00 2026\r\nSubject: x\r\n\r\nHello.\r\n",
                  [body], subject="x", defects="mbox line")
    yield written("field-900", "a field of 900 characters", b"X-Long: " + b"y" * 900 + b"\r\nSubject: x\r\n\r\nHello.\r\n", [body],
                  subject="x")
    yield written("field-50k-folded", "a field of 50,000 characters, folded", b"X-Long:" + b" yyyyyyyy\r\n" * 5000 +
                  b"Subject: x\r\n\r\nHello.\r\n", [body], subject="x")
    yield written("thousand-fields", "a thousand fields", b"".join(b"X-%d: y\r\n" % i for i in range(1000)) +
                  b"Subject: x\r\n\r\nHello.\r\n", [body], subject="x")
    yield written("field-empty-name", "a colon without name is skipped, and does not end the header",
                  b"Subject: x\r\n: y\r\nTo: b@b.example\r\n\r\nHello.\r\n", [body], subject="x", to="b@b.example",
                  defects="malformed field")
    yield written("nul-in-field", "a NUL within a field", b"Subject: a\0b\r\n\r\nHello.\r\n", [body], subject="a b",
                  defects="NUL")
    yield written("cr-in-field", "a bare CR within a field", b"Subject: a\rb\r\n\r\nHello.\r\n", [body], defects="bare CR")
    yield written("lf-header", "LF line ends in the header only", b"Subject: x\nTo: b@b.example\n\nHello.\r\n", [body],
                  subject="x", defects="bare LF")
    yield written("utf8-mark", "a byte order mark before the first field is no field name",
                  b"\xef\xbb\xbfSubject: x\r\n\r\nHello.\r\n",
                  [facts("text/plain", "body", b"\xef\xbb\xbfSubject: x\r\n\r\nHello.\r\n")], defects="byte order mark")
    yield written("group-address", "a group of recipients", b"To: team: a@a.example, B <b@b.example>;\r\n\r\nHello.\r\n",
                  [body], to="a@a.example | B <b@b.example>")
    yield written("group-empty", "undisclosed recipients", b"To: undisclosed-recipients:;\r\n\r\nHello.\r\n", [body], to="")

    for name, value, stamp in [
        ("usual", "Sun, 22 Nov 2026 10:00:00 +0100", "2026-11-22T09:00:00Z"),
        ("no-day", "22 Nov 2026 10:00:00 +0100", "2026-11-22T09:00:00Z"),
        ("zone-name", "Sun, 22 Nov 2026 09:00:00 GMT", "2026-11-22T09:00:00Z"),
        ("comment", "Sun, 22 Nov 2026 10:00:00 +0100 (CET)", "2026-11-22T09:00:00Z"),
        ("one-digit", "Sun, 1 Nov 2026 10:00:00 +0000", "2026-11-01T10:00:00Z"),
        ("nonsense", "yesterday", None),
        ("impossible", "Sun, 32 Nov 2026 25:61:00 +0100", None),
    ]:
        yield written("date-" + name, "a date: " + name, f"Date: {value}\r\n\r\nHello.\r\n", [body], date=stamp or "none")

    # Endings and dots.
    yield case("end-no-crlf", "the last line has no end", leaf("Content-Type: text/plain", "body", "Hello."), end=b"")
    yield case("end-many-crlf", "blank lines at the end", leaf("Content-Type: text/plain", "body", "Hello.\r\n\r\n\r\n"),
               end=b"")
    yield case("end-lone-cr", "a lone CR at the end", leaf("Content-Type: text/plain", "body", "Hello.\r"), end=b"",
               defects="bare CR")
    yield case("dots", "lines that begin with dots", leaf("Content-Type: text/plain", "body",
                                                        ".\r\n..\r\n.hidden\r\n...\r\n"), end=b"")
    yield case("dots-in-multipart", "a lone dot within a part", multi("mixed", "b", [text(".\r\n.\r\n")]))
    yield case("bare-cr-lf", "bare CR and LF in a body", leaf("Content-Type: text/plain", "body",
                                                           "a\rb\nc\r\nd\n\re"), end=b"", defects="bare CR and LF")
    yield case("nul-body", "NULs in a body", leaf("Content-Type: text/plain", "body", b"a\0b\0\r\n"), end=b"",
               defects="NUL")
    yield case("line-60k", "a line of 60,000 characters", leaf("Content-Type: text/plain", "body", "x" * 60000), end=b"",
               defects="long line")
    yield case("from-lines", "lines that begin with From", leaf("Content-Type: text/plain", "body",
                                                             "From here\r\n>From there\r\n"), end=b"")
    yield case("boundary-like-text", "dashes in a text that is no multipart",
               leaf("Content-Type: text/plain", "body", "--\r\n--b\r\n--b--\r\n-- \r\n"), end=b"")
