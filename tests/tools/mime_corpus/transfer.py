"""Transfer encodings that lie, break off or were never finished."""

import base64

from build import CRLF, base64_lines, b, case, facts, leaf, multi, quoted, raw, text

DATA = bytes(range(256)) * 3
ENCODED = base64.b64encode(DATA)

# name, what it is, body as it stands, content
BASE64 = [
    ("plain", "lines of 76", base64_lines(DATA) + CRLF, DATA),
    ("one-line", "one line of 1024", ENCODED + CRLF, DATA),
    ("lines-of-four", "lines of four", base64_lines(DATA, 4) + CRLF, DATA),
    ("lines-of-75", "lines whose length is no multiple of four", base64_lines(DATA, 75) + CRLF, DATA),
    ("lines-of-one", "one character a line", base64_lines(b"Hello, world", 1) + CRLF, b"Hello, world"),
    ("lines-of-998", "lines of 998", base64_lines(DATA, 998) + CRLF, DATA),
    ("uneven", "every line another length", b"QU\r\nJDRE\r\nV\r\nGR0hJ\r\n", b"ABCDEFGHI"),
    ("no-final-crlf", "no line end at the end", base64_lines(DATA), DATA),
    ("blank-lines", "blank lines between", base64_lines(DATA).replace(CRLF, CRLF * 3) + CRLF, DATA),
    ("leading-blank-lines", "blank lines before", CRLF * 5 + base64_lines(DATA) + CRLF, DATA),
    ("spaces", "a space after each line", base64_lines(DATA).replace(CRLF, b" \r\n") + CRLF, DATA),
    ("tabs-before", "a tab before each line", b"\t" + base64_lines(DATA).replace(CRLF, b"\r\n\t") + CRLF, DATA),
    ("junk-between-groups", "foreign characters between groups are skipped (RFC 2045 6.8)",
     b"QUJD*REVG\r\n!!!\r\nR0hJ\r\n", b"ABCDEFGHI"),
    ("junk-within-groups", "foreign characters within groups are skipped", b"Q-U.J_D\r\nRE:VG\r\n", b"ABCDEF"),
    ("nul-bytes", "NULs within are skipped", b"QUJD\0\0REVG\r\n", b"ABCDEF"),
    ("eight-bit-junk", "8-bit junk within is skipped", b"QUJD\xe9\xffREVG\r\n", b"ABCDEF"),
    ("url-alphabet", "minus and underscore are foreign here", b"QUJD-_-_REVG\r\n", b"ABCDEF"),
    ("one-pad", "one character of padding", b"QUI=\r\n", b"AB"),
    ("two-pads", "two characters of padding", b"QQ==\r\n", b"A"),
    ("no-padding-one", "padding for one byte forgotten", b"QUJDRA\r\n", b"ABCD"),
    ("no-padding-two", "padding for two bytes forgotten", b"QUJDREU\r\n", b"ABCDE"),
    ("half-padding", "one of two pads forgotten", b"QQ=\r\n", b"A"),
    ("one-letter-left", "a lone last letter is no byte", b"QUJDQ\r\n", b"ABC"),
    ("padding-on-next-line", "padding on a line of its own", b"QQ\r\n==\r\n", b"A"),
    ("text-after-padding", "what follows the padding is no content", b"QUI=\r\n--\r\nlist footer\r\n", b"AB"),
    ("data-after-padding", "a second text after the padding is no content", b"QQ==\r\nQUJD\r\n", b"A"),
    ("three-pads", "more padding than there can be", b"QQ===\r\n", b"A"),
    ("only-padding", "nothing but padding", b"====\r\n", b""),
    ("empty", "nothing at all", b"", b""),
    ("only-line-ends", "nothing but line ends", CRLF * 20, b""),
    ("no-letters", "not one letter of the alphabet", b"--- *** ---\r\n", b""),
    ("bits-left-over", "the last letter holds bits that no byte takes", b"QR==\r\n", b"A"),
    ("lf-only", "line ends are LF", base64_lines(DATA).replace(CRLF, b"\n") + b"\n", DATA),
    ("mixed-line-ends", "CRLF and LF in turn", b"QUJD\r\nREVG\nR0hJ\r\n", b"ABCDEFGHI"),
    ("bare-cr", "line ends are CR", b"QUJD\rREVG\rR0hJ\r", b"ABCDEFGHI"),
    ("quoted-reply-marks", "a relay put `> ` before each line", b"> QUJD\r\n> REVG\r\n", b"ABCDEF"),
    ("line-ends-inside", "content with every kind of line end", base64_lines(b"a\r\nb\nc\rd\r\n") + CRLF,
     b"a\r\nb\nc\rd\r\n"),
    ("large", "a hundred kilobytes in regular lines", base64_lines(DATA * 130) + CRLF, DATA * 130),
    ("large-then-junk", "regular lines, then a foreign character in the last",
     base64_lines(DATA * 20) + b"\r\n*Q*U*J*D\r\n", DATA * 20 + b"ABC"),
]

QUOTED = [
    ("plain", "escapes in both cases", b"caf=C3=A9 =c3=a9\r\n", "café é\r\n"),
    ("soft-breaks", "soft line breaks", b"one=\r\n two=\r\n three\r\n", "one two three\r\n"),
    ("soft-break-padded", "blanks after a soft break (RFC 2045 6.7, rule 3)", b"one= \t\r\ntwo\r\n", "onetwo\r\n"),
    ("soft-break-at-end", "a soft break is the last thing", b"one=\r\n", "one"),
    ("lone-equals", "an equals sign is the last byte", b"one=", "one"),
    ("trailing-blanks", "blanks at line ends are padding (rule 3)", b"one  \r\ntwo\t\r\n", "one\r\ntwo\r\n"),
    ("encoded-blanks", "blanks that were meant", b"one=20\r\ntwo=09\r\n", "one \r\ntwo\t\r\n"),
    ("not-hex", "an escape that is none stays", b"=ZZ =G0 =4 x\r\n", "=ZZ =G0 =4 x\r\n"),
    ("doubled-equals", "two equals signs", b"==41\r\n", "=A\r\n"),
    ("raw-eight-bit", "bytes that should have been escaped", "café\r\n".encode(), "café\r\n"),
    ("long-line", "a line of 3000", b"x" * 3000 + b"\r\n", "x" * 3000 + "\r\n"),
    ("encoded-line-end", "a line end that is escaped", b"a=0D=0Ab\r\n", "a\r\nb\r\n"),
    ("nul", "an escaped NUL", b"a=00b\r\n", "a\0b\r\n"),
    ("lf-only", "line ends are LF", b"one=\ntwo\nthree\n", "onetwo\nthree\n"),
    ("underscore", "an underscore is one: this is no header", b"a_b\r\n", "a_b\r\n"),
    ("dot-line", "a line with nothing but a dot", b"=2E\r\n.\r\n", ".\r\n.\r\n"),
    ("from-line", "lines that begin with From", b"=46rom x\r\nFrom y\r\n", "From x\r\nFrom y\r\n"),
    ("empty", "nothing at all", b"", ""),
]

NAMES = [
    # name, value of Content-Transfer-Encoding, how it is meant, body, content
    ("upper-case", "BASE64", "base64", b"QUJD\r\n", b"ABC"),
    ("comment", "base64 (really)", "base64", b"QUJD\r\n", b"ABC"),
    ("blanks", "   base64   ", "base64", b"QUJD\r\n", b"ABC"),
    ("semicolon", "base64;", "base64", b"QUJD\r\n", b"ABC"),
    ("folded", "\r\n base64", "base64", b"QUJD\r\n", b"ABC"),
    ("parameter", "base64; charset=utf-8", "base64", b"QUJD\r\n", b"ABC"),
    ("quoted-word", '"base64"', "other", b"QUJD\r\n", b"QUJD\r\n"),
    ("misspelt", "base-64", "other", b"QUJD\r\n", b"QUJD\r\n"),
    ("uuencode", "x-uuencode", "other", b"begin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n",
     b"begin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n"),
    ("yenc", "yenc", "other", b"=ybegin line=128 size=3 name=a\r\nklm\r\n=yend size=3\r\n",
     b"=ybegin line=128 size=3 name=a\r\nklm\r\n=yend size=3\r\n"),
    ("binary", "binary", "binary", b"\0\1\2\r\n\n\r\xff", b"\0\1\2\r\n\n\r\xff"),
    ("eight-bit", "8bit", "8bit", "é\r\n".encode(), "é\r\n".encode()),
    ("eight-bit-hyphen", "8-bit", "other", "é\r\n".encode(), "é\r\n".encode()),
    ("seven-bit-lie", "7bit", None, b"\xff\xfe\x00\r\n", b"\xff\xfe\x00\r\n"),
    ("quoted-printable-upper", "Quoted-Printable", "quoted-printable", b"=41\r\n", b"A\r\n"),
    ("empty", "", None, b"QUJD\r\n", b"QUJD\r\n"),
]


def cases():
    stream = "application/octet-stream"
    for name, about, body, content in BASE64:
        head = [f"Content-Type: {stream}", "Content-Transfer-Encoding: base64"]
        brick = leaf(head, "attachment", content, raw=body, cte="base64")
        yield case("base64-" + name, "base64: " + about, brick, end=b"")
    for name, about, body, content in QUOTED:
        head = ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable"]
        known = {"charset": "utf-8", "cte": "quoted-printable"}
        yield case("qp-" + name, "quoted-printable: " + about, leaf(head, "body", content, raw=body, **known), end=b"")
        head = [f"Content-Type: {stream}", "Content-Transfer-Encoding: quoted-printable"]
        yield case("qp-file-" + name, "quoted-printable in a file: " + about,
                   leaf(head, "attachment", content, raw=body, cte="quoted-printable"), end=b"")
    for name, value, meant, body, content in NAMES:
        head = [f"Content-Type: {stream}", f"Content-Transfer-Encoding: {value}"]
        yield case("encoding-" + name, "an encoding named " + name.replace("-", " "),
                   leaf(head, "attachment", content, raw=body, cte=meant), end=b"")

    yield case("encoding-twice", "two fields that disagree: the first counts",
               leaf([f"Content-Type: {stream}", "Content-Transfer-Encoding: base64",
                     "Content-Transfer-Encoding: 7bit"], "attachment", b"ABC", raw=b"QUJD\r\n", cte="base64"), end=b"")
    yield case("encoding-base64-is-text", "claims base64, is plain text",
               leaf(["Content-Type: text/plain", "Content-Transfer-Encoding: base64"], "body",
                    # Its thirteen letters, read as base64: three whole groups, the last letter is no byte.
                    base64.b64decode(b"Hellomyfrien"), raw=b"Hello, my friend!\r\n",
                    cte="base64"), end=b"",
               defects="not base64 at all")
    yield case("encoding-qp-is-binary", "claims quoted-printable, is binary",
               leaf([f"Content-Type: {stream}", "Content-Transfer-Encoding: quoted-printable"], "attachment",
                    b"\x89PNG\r\n\x1a\n\0\0", raw=b"\x89PNG\r\n\x1a\n\0\0", cte="quoted-printable"), end=b"", defects="raw 8-bit data")
    yield case("encoding-eight-bit-undeclared", "8-bit text that claims nothing",
               leaf("Content-Type: text/plain; charset=utf-8", "body", "déjà vu\r\n", charset="utf-8",
                    text="déjà vu\r\n"), end=b"", defects="8-bit data declared 7bit")
    yield case("encoding-binary-in-multipart", "binary data with delimiter look-alikes",
               multi("mixed", "b", [text("."), leaf([f"Content-Type: {stream}", "Content-Transfer-Encoding: binary"],
                                                    "attachment", b"\r\n--\r\n\r\n-\r\n--B\r\n\0\n--a--\n", cte="binary")]))
    yield case("encoding-binary-long-line", "100,000 bytes without a line end",
               leaf([f"Content-Type: {stream}", "Content-Transfer-Encoding: binary"], "attachment",
                    bytes(range(10, 255)) * 409, cte="binary"), end=b"")
    yield case("encoding-text-base64-html", "HTML in base64",
               leaf(["Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: base64"], "body",
                    "<p>déjà vu</p>\r\n", charset="utf-8", text="<p>déjà vu</p>\r\n"))
    yield case("encoding-message-base64", "an attached message in base64, which RFC 2046 5.2.1 forbids",
               multi("mixed", "b", [text("."), leaf(["Content-Type: message/rfc822",
                                                     "Content-Transfer-Encoding: base64"], "attachment",
                                                    b"Subject: inner\r\n\r\nHello.\r\n")]))
    yield case("encoding-message-qp", "an attached message in quoted-printable, which RFC 2046 5.2.1 forbids",
               multi("mixed", "b", [text("."), leaf(["Content-Type: message/rfc822",
                                                     "Content-Transfer-Encoding: quoted-printable"], "attachment",
                                                    "Subject: été\r\n\r\nHello.\r\n")]))
    uu = b"begin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n"
    yield case("encoding-uuencode-in-text", "uuencoded data in a text is text", text(b"See:\r\n" + uu), end=b"")
    yield case("encoding-text-70k", "a text over 64 KiB is stored as a part, and stays the body",
               text(b"A line of some length, again and again.\r\n" * 1800), end=b"")
    yield case("encoding-text-70k-base64", "the same in base64",
               leaf(["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64"], "body",
                    "Une ligne accentuée, encore et encore.\r\n" * 1800, charset="utf-8"))
    yield case("encoding-text-70k-qp", "the same in quoted-printable",
               leaf(["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable"], "body",
                    "Une ligne accentuée, encore et encore.\r\n" * 900, charset="utf-8"), end=b"")
