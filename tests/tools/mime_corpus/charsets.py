"""Character sets, true and false."""

import base64

from build import b, case, facts, leaf, multi, raw, text

# name, label, bytes, text that a person reads
SETS = [
    ("us-ascii", "us-ascii", b"plain\r\n", "plain\r\n"),
    ("utf-8", "utf-8", "déjà €\r\n".encode(), "déjà €\r\n"),
    ("utf-8-upper", "UTF-8", "déjà €\r\n".encode(), "déjà €\r\n"),
    ("utf8-no-hyphen", "utf8", "déjà\r\n".encode(), "déjà\r\n"),
    ("utf-8-quoted", '"utf-8"', "déjà\r\n".encode(), "déjà\r\n"),
    ("utf-8-comment", "utf-8 (plain text)", "déjà\r\n".encode(), "déjà\r\n"),
    ("utf-8-emoji", "utf-8", "👩‍⚕️ ok\r\n".encode(), "👩‍⚕️ ok\r\n"),
    ("iso-8859-1", "iso-8859-1", "déjà\r\n".encode("iso-8859-1"), "déjà\r\n"),
    # Mail clients and browsers read iso-8859-1 as windows-1252 (WHATWG Encoding).
    ("iso-8859-1-quotes", "iso-8859-1", b"\x93quoted\x94\r\n", "“quoted”\r\n"),
    ("iso-8859-2", "iso-8859-2", "žluťoučký\r\n".encode("iso-8859-2"), "žluťoučký\r\n"),
    ("iso-8859-5", "iso-8859-5", "Привет\r\n".encode("iso-8859-5"), "Привет\r\n"),
    ("iso-8859-7", "iso-8859-7", "Καλημέρα\r\n".encode("iso-8859-7"), "Καλημέρα\r\n"),
    ("iso-8859-15", "iso-8859-15", "10 €, œuf\r\n".encode("iso-8859-15"), "10 €, œuf\r\n"),
    ("latin1-alias", "latin1", "déjà\r\n".encode("latin-1"), "déjà\r\n"),
    ("windows-1250", "windows-1250", "Łódź\r\n".encode("cp1250"), "Łódź\r\n"),
    ("windows-1251", "windows-1251", "Привет\r\n".encode("cp1251"), "Привет\r\n"),
    ("windows-1252", "windows-1252", "“œuvre” – 10 €\r\n".encode("cp1252"), "“œuvre” – 10 €\r\n"),
    ("windows-1256", "windows-1256", "سلام\r\n".encode("cp1256"), "سلام\r\n"),
    ("koi8-r", "koi8-r", "Привет\r\n".encode("koi8-r"), "Привет\r\n"),
    ("koi8-u", "koi8-u", "Привіт\r\n".encode("koi8-u"), "Привіт\r\n"),
    ("macintosh", "macintosh", "déjà\r\n".encode("mac-roman"), "déjà\r\n"),
    ("shift-jis", "shift_jis", "日本語\r\n".encode("shift_jis"), "日本語\r\n"),
    ("euc-jp", "euc-jp", "日本語\r\n".encode("euc-jp"), "日本語\r\n"),
    ("iso-2022-jp", "iso-2022-jp", "日本語\r\n".encode("iso-2022-jp"), "日本語\r\n"),
    ("gb2312", "gb2312", "文件\r\n".encode("gb2312"), "文件\r\n"),
    ("gb18030", "gb18030", "文件𠀀\r\n".encode("gb18030"), "文件𠀀\r\n"),
    ("big5", "big5", "文件\r\n".encode("big5"), "文件\r\n"),
    ("euc-kr", "euc-kr", "한국어\r\n".encode("euc-kr"), "한국어\r\n"),
    ("tis-620", "tis-620", "สวัสดี\r\n".encode("tis-620"), "สวัสดี\r\n"),
    ("utf-7", "utf-7", b"d+AOk-j+AOA- 1+-1\r\n", "déjà 1+1\r\n"),
    ("utf-16-le-mark", "utf-16", b"\xff\xfe" + "déjà\r\n".encode("utf-16-le"), "déjà\r\n"),
    ("utf-16-be-mark", "utf-16", b"\xfe\xff" + "déjà\r\n".encode("utf-16-be"), "déjà\r\n"),
    ("utf-16le", "utf-16le", "déjà\r\n".encode("utf-16-le"), "déjà\r\n"),
    ("utf-16be", "utf-16be", "déjà\r\n".encode("utf-16-be"), "déjà\r\n"),
    ("utf-8-mark", "utf-8", b"\xef\xbb\xbfd\xc3\xa9j\xc3\xa0\r\n", "déjà\r\n"),
    # Lies.
    ("utf-8-but-latin1", "utf-8", b"d\xe9j\xe0\r\n", "déjà\r\n"),
    ("us-ascii-but-utf-8", "us-ascii", "déjà\r\n".encode(), "déjà\r\n"),
    ("us-ascii-but-latin1", "us-ascii", b"d\xe9j\xe0\r\n", "déjà\r\n"),
    ("unknown-8bit", "unknown-8bit", "déjà\r\n".encode(), "déjà\r\n"),
    ("x-unknown", "x-unknown", b"d\xe9j\xe0\r\n", "déjà\r\n"),
    ("empty-label", '""', "déjà\r\n".encode(), "déjà\r\n"),
    ("default-label", "default", "déjà\r\n".encode(), "déjà\r\n"),
]


def label_of(written):
    """The label as it is kept: one word in lower case."""
    return written.strip('"').split(" (")[0].lower() or None


def cases():
    for name, label, content, shown in SETS:
        for cte in ("8bit", "base64") if not name.startswith("utf-16") else ("base64",):
            if cte == "8bit" and name not in ("utf-8", "iso-8859-1", "iso-8859-15", "koi8-r", "shift-jis", "gb18030",
                                              "utf-7", "utf-8-but-latin1", "iso-2022-jp"):
                continue
            brick = leaf([f"Content-Type: text/plain; charset={label}", f"Content-Transfer-Encoding: {cte}"], "body",
                         content, charset=label_of(label), text=shown)
            end = b"" if cte == "8bit" else b"\r\n"
            yield case(f"charset-{name}-{cte}", f"a text in {label}", brick, end=end)
    yield case("charset-none", "8-bit text without any charset",
               leaf("Content-Type: text/plain", "body", "déjà\r\n", text="déjà\r\n"), end=b"")
    yield case("charset-in-html-meta", "the charset stands in the HTML only; the header's absence is kept",
               leaf("Content-Type: text/html", "body",
                    b'<meta charset="utf-8"><p>' + "déjà".encode() + b"</p>\r\n"), end=b"")
    flowed = "Content-Type: text/plain; charset=utf-8; format=flowed"
    for name, params, content in [
        ("flowed", "", "A paragraph that \r\nflows on.\r\n"),
        ("flowed-delsp", "; delsp=yes", "Donau \r\ndampf \r\nschiff\r\n"),
        ("flowed-quotes", "", ">> deep \r\n>> quote\r\n> one\r\nnone\r\n"),
        ("flowed-signature", "", "text\r\n-- \r\nAlice\r\n"),
        ("flowed-stuffed", "", " From here\r\n  two blanks\r\n >not quoted\r\n"),
    ]:
        yield case(name, "format=flowed (RFC 3676): " + name, leaf(flowed + params, "body", content, charset="utf-8",
                                                                  text=content), end=b"")
    both = multi("alternative", "b", [
        leaf(["Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: 8bit"], "body",
             "déjà".encode("latin-1"), charset="iso-8859-1", text="déjà"),
        leaf(["Content-Type: text/html; charset=koi8-r", "Content-Transfer-Encoding: base64"], "body",
             "<p>Привет</p>".encode("koi8-r"), charset="koi8-r", text="<p>Привет</p>")])
    yield case("charset-two-in-one", "each alternative has its own charset", both)
