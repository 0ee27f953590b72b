"""Delimiters: missing, repeated, misspelt, prefixes of each other, in the wrong place."""

from build import CRLF, b, case, facts, html, leaf, multi, pdf, raw, text

# RFC 2046 section 5.1.1: bcharsnospace, up to 70 of them.
ALPHABET = "'()+_,-./:=?"

SPELLINGS = [
    # name, Content-Type line, delimiter as it stands in the body
    ("quoted", 'multipart/mixed; boundary="simple"', "simple"),
    ("bare", "multipart/mixed; boundary=simple", "simple"),
    ("upper-case-parameter", "multipart/mixed; BOUNDARY=Simple", "Simple"),
    ("odd-characters", f'multipart/mixed; boundary="{ALPHABET}x"', ALPHABET + "x"),
    ("blank-inside", 'multipart/mixed; boundary="two words"', "two words"),
    ("blank-at-end", 'multipart/mixed; boundary="ends "', "ends"),
    ("equals-unquoted", "multipart/mixed; boundary=----=_Part_1.2", "----=_Part_1.2"),
    ("begins-with-dashes", 'multipart/mixed; boundary="--dashes"', "--dashes"),
    ("only-dashes", 'multipart/mixed; boundary="----"', "----"),
    ("one-character", "multipart/mixed; boundary=x", "x"),
    ("seventy", "multipart/mixed; boundary=" + "s" * 70, "s" * 70),
    ("two-hundred", "multipart/mixed; boundary=" + "t" * 200, "t" * 200),
    ("escaped-quote", r'multipart/mixed; boundary="a\"b"', 'a"b'),
    ("semicolon-quoted", 'multipart/mixed; boundary="a;b"', "a;b"),
    ("comment-after", "multipart/mixed; boundary=plain (comment)", "plain (comment)"),
    ("folded", "multipart/mixed;\r\n\tboundary=folded", "folded"),
    ("after-many", 'multipart/mixed; type="text/html"; x=y; charset=utf-8; boundary=after', "after"),
    ("repeated-parameter", "multipart/mixed; boundary=first; boundary=second", "first"),
    ("2231-continued", "multipart/mixed; boundary*0=con; boundary*1=tinued", "continued"),
    ("2231-encoded", "multipart/mixed; boundary*=us-ascii''per%63ent", "percent"),
    ("looks-like-2047", 'multipart/mixed; boundary="=?utf-8?q?x?="', "=?utf-8?q?x?="),
    ("eight-bit", 'multipart/mixed; boundary="été"', "été"),
    ("regex-characters", 'multipart/mixed; boundary="[a-z]+(.*)?"', "[a-z]+(.*)?"),
    ("percent", 'multipart/mixed; boundary="%s%n"', "%s%n"),
    ("subtype-unknown", "multipart/x-unheard-of; boundary=u", "u"),
    ("type-upper-case", "MULTIPART/MIXED; boundary=u", "u"),
]


def nested(levels):
    inner = text("innermost")
    for level in range(levels):
        inner = multi("mixed", f"level{level}", [inner])
    return inner


def cases():
    for name, value, delimiter in SPELLINGS:
        kind = value.split("/")[1].split(";")[0].lower()
        brick = multi(kind, delimiter, [text("Hello."), pdf()], head="Content-Type: " + value)
        yield case("boundary-" + name, "a delimiter: " + name.replace("-", " "), brick)

    two = [text("Hello."), pdf()]
    yield case("boundary-no-close", "the closing delimiter is missing", multi("mixed", "b", two, close=False),
               end=b"", defects="no closing delimiter")
    yield case("boundary-preamble", "text before the first delimiter is no part",
               multi("mixed", "b", two, preamble="This is a MIME message.\r\n\r\n--not-b\r\n"))
    yield case("boundary-epilogue", "text after the closing delimiter is no part",
               multi("mixed", "b", two, epilogue="\r\nThis is the epilogue.\r\n--bb\r\n"))
    yield case("boundary-delimiter-in-epilogue", "a delimiter after the closing one opens no part",
               multi("mixed", "b", two, epilogue="\r\n--b\r\nContent-Type: text/plain\r\n\r\nghost"),
               defects="delimiter after the close")
    yield case("boundary-no-final-crlf", "the closing delimiter is the last thing",
               multi("mixed", "b", two), end=b"")

    inner = multi("alternative", "bb", [text("plain"), html("<p>html</p>")])
    yield case("boundary-inner-longer", "the inner delimiter begins with the outer one",
               multi("mixed", "b", [inner, pdf()]))
    inner = multi("alternative", "b", [text("plain"), html("<p>html</p>")])
    yield case("boundary-outer-longer", "the outer delimiter begins with the inner one",
               multi("mixed", "bb", [inner, pdf()]))
    inner = multi("alternative", "b--", [text("plain"), html("<p>html</p>")])
    yield raw("boundary-inner-is-close-of-outer", "the inner delimiter line is the outer one's close: innermost wins",
              b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + inner.head + CRLF + inner.body
              + b"\r\n--b--\r\n", ["multipart/mixed", *("  " + line for line in inner.lines)],
              defects="ambiguous delimiters")
    inner = multi("alternative", "inner", [text("plain"), html("<p>html</p>")], close=False)
    yield case("boundary-inner-not-closed", "an outer delimiter ends the inner multipart (RFC 2046 5.1.2)",
               multi("mixed", "outer", [inner, pdf()]), defects="inner multipart not closed")
    inner = multi("alternative", "inner", [text("plain"), html("<p>html</p>")], close=False)
    yield case("boundary-neither-closed", "neither is closed", multi("mixed", "outer", [inner], close=False),
               end=b"", defects="nothing closed")

    yield raw("boundary-missing-parameter", "a multipart without boundary is one leaf",
              "Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nHello.\r\n--b--\r\n",
              [facts("multipart/mixed", "attachment", b"--b\r\n\r\nHello.\r\n--b--\r\n")],
              defects="no boundary parameter")
    yield raw("boundary-empty-parameter", "an empty boundary is none",
              'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n\r\nHello.\r\n----\r\n',
              [facts("multipart/mixed", "attachment", b"--\r\n\r\nHello.\r\n----\r\n")],
              defects="empty boundary parameter")
    yield raw("boundary-never-used", "a multipart whose delimiter never comes has no parts",
              "Content-Type: multipart/mixed; boundary=absent\r\n\r\nHello.\r\n--other\r\n\r\nx\r\n",
              ["multipart/mixed"], defects="delimiter never used")
    yield raw("boundary-only-close", "only the closing delimiter",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n", ["multipart/mixed"],
              defects="no part")
    yield raw("boundary-first-is-close", "the close comes first: what follows is epilogue",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n\r\n--b\r\n\r\nHello.\r\n--b--\r\n",
              ["multipart/mixed"], defects="closed before it was opened")
    empty = facts("text/plain", "body", b"")
    yield raw("boundary-repeated", "two delimiters in a row: an empty part between them",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n\r\nHello.\r\n--b--\r\n",
              ["multipart/mixed", "  " + empty, "  " + facts("text/plain", "body", b"Hello.")],
              defects="delimiter repeated")
    yield raw("boundary-padding", "blanks after the delimiter are padding (RFC 2046 5.1.1)",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b \t \r\n\r\nHello.\r\n--b--  \r\n",
              ["multipart/mixed", "  " + facts("text/plain", "body", b"Hello.")])
    yield raw("boundary-indented", "an indented delimiter is text",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello.\r\n --b\r\nmore\r\n--b--\r\n",
              ["multipart/mixed", "  " + facts("text/plain", "body", b"Hello.\r\n --b\r\nmore")])
    yield raw("boundary-within-line", "a delimiter within a line is text",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee --b\r\n--b x\r\n--b--\r\n",
              ["multipart/mixed", "  " + facts("text/plain", "body", b"see --b\r\n--b x")])
    yield raw("boundary-three-dashes", "the close with a third dash is text",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello.\r\n--b---\r\n--b--\r\n",
              ["multipart/mixed", "  " + facts("text/plain", "body", b"Hello.\r\n--b---")])
    yield raw("boundary-case-differs", "delimiters are compared with their case",
              "Content-Type: multipart/mixed; boundary=Ab\r\n\r\n--Ab\r\n\r\nHello.\r\n--aB\r\n--Ab--\r\n",
              ["multipart/mixed", "  " + facts("text/plain", "body", b"Hello.\r\n--aB")])
    yield raw("boundary-lf-only", "line ends are LF throughout the body",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\n\nHello.\n--b--\n",
              ["multipart/mixed", "  " + facts("text/plain", "body", b"Hello.")], defects="bare LF")
    yield raw("boundary-header-cut", "a delimiter right within a part's header: a part without body",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n--b--\r\n",
              ["multipart/mixed", "  " + facts("image/png", "attachment", b"")], defects="header without end")
    yield raw("boundary-text-after-delimiter-line", "no header, a blank line, text",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\r\nHello.\r\n--b--\r\n",
              ["multipart/mixed", "  " + facts("text/plain", "body", b"\r\nHello.")])
    yield raw("boundary-part-without-blank-line", "the part's text follows its delimiter at once",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nHello world\r\n--b--\r\n",
              ["multipart/mixed", "  " + facts("text/plain", "body", b"Hello world")],
              defects="no blank line after the part's header")
    yield raw("boundary-same-nested", "outer and inner use one boundary: the inner one is innermost",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative; boundary=b\r\n"
              "\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n\r\n--b--\r\n",
              ["multipart/mixed", "  multipart/alternative", "    " + facts("text/plain", "body", b"one"),
               "    " + facts("text/plain", "body", b"two")], defects="one boundary for two multiparts")
    yield raw("boundary-cut-in-delimiter", "the message ends within the closing delimiter",
              "Content-Type: multipart/mixed; boundary=bound\r\n\r\n--bound\r\n\r\nHello.\r\n--bou",
              ["multipart/mixed", "  " + facts("text/plain", "body", b"Hello.\r\n--bou")], defects="cut off")
    yield raw("boundary-cut-after-open", "the message ends right after a delimiter",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello.\r\n--b",
              ["multipart/mixed", "  " + facts("text/plain", "body", b"Hello.")], defects="cut off")
    yield raw("boundary-digest-of-base64", "a delimiter in the middle of base64 ends the part",
              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n"
              "Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\nREVG\r\n--b\r\n\r\nText.\r\n--b--\r\n",
              ["multipart/mixed", "  " + facts("image/png", "attachment", b"ABCDEF", cte="base64"),
               "  " + facts("text/plain", "body", b"Text.")])
    yield raw("boundary-multipart-encoded", "a multipart that claims base64 is read as it stands (RFC 2045 6.4)",
              "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
              "--b\r\n\r\nHello.\r\n--b--\r\n",
              ["multipart/mixed", "  " + facts("text/plain", "body", b"Hello.")], defects="encoded multipart")
    for levels in (2, 10, 49):
        brick = nested(levels)
        yield case(f"nested-{levels}", f"{levels} multiparts within each other", brick)
    siblings = [multi("alternative", f"s{i}", [text(f"plain {i}"), html(f"<p>{i}</p>")]) for i in range(8)]
    yield case("nested-siblings", "eight alternatives side by side", multi("mixed", "outer", siblings))
    many = [text(f"part {i}") for i in range(100)]
    yield case("boundary-hundred-parts", "a hundred texts", multi("mixed", "many", many))
    filler = b"this is a long preamble line\r\n" * 2000
    brick = multi("mixed", "b", [text("Hello.")], preamble=filler)
    # What does not fit beside the headers is kept as a part that nobody is shown: all but the first 16 KiB.
    # The line end before the delimiter belongs to the delimiter.
    rest = facts("application/octet-stream", "filler", filler[16384:-2], cte="binary")
    brick.lines = [brick.lines[0], "  " + rest, *brick.lines[1:]]
    yield case("boundary-long-preamble", "58 kB before the first delimiter", brick)
