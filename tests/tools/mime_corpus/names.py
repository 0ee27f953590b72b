"""File names in every form that writers have thought of."""

from build import case, leaf, multi, text

# (name, Content-Type parameters, Content-Disposition value, the name a person is shown)
FORMS = [
    ("plain", "", "attachment; filename=plain.txt", "plain.txt"),
    ("quoted", "", 'attachment; filename="with space.txt"', "with space.txt"),
    ("bare-space", "", "attachment; filename=bare space.txt", "bare space.txt"),
    ("bare-brackets", "", "attachment; filename=report (final) [2].txt", "report (final) [2].txt"),
    ("upper-case-parameter", "", "ATTACHMENT; FILENAME=UPPER.TXT", "UPPER.TXT"),
    ("blanks-around-equals", "", 'attachment; filename = "spaced.txt"', "spaced.txt"),
    ("no-blank-after-semicolon", "", "attachment;filename=tight.txt", "tight.txt"),
    ("semicolons-in-quotes", "", 'attachment; filename="a;b;c.txt"', "a;b;c.txt"),
    ("equals-in-quotes", "", 'attachment; filename="a=b.txt"', "a=b.txt"),
    ("escaped-quote", "", 'attachment; filename="say \\"hi\\".txt"', "say _hi_.txt"),
    ("escaped-backslash", "", 'attachment; filename="dir\\\\file.txt"', "file.txt"),
    ("windows-path", "", 'attachment; filename="C:\\Users\\x\\file.txt"', "file.txt"),
    ("unix-path", "", "attachment; filename=../../etc/passwd", "passwd"),
    ("trailing-slash", "", 'attachment; filename="folder/"', "folder"),
    ("leading-dot", "", 'attachment; filename=".htaccess"', "htaccess"),
    ("trailing-dots", "", 'attachment; filename="name.exe. . "', "name.exe"),
    ("device-characters", "", 'attachment; filename="a<b>c|d?e*.txt"', "a_b_c_d_e_.txt"),
    ("empty-quotes", "", 'attachment; filename=""', None),
    ("only-dots", "", 'attachment; filename="..."', None),
    ("no-value", "", "attachment; filename=", None),
    ("no-equals", "", "attachment; filename", None),
    ("type-name-only", '; name="by-type.txt"', "attachment", "by-type.txt"),
    ("both-differ", '; name="by-type.txt"', "attachment; filename=by-disposition.txt", "by-disposition.txt"),
    ("disposition-empty-name", '; name="fallback.txt"', 'attachment; filename=""', "fallback.txt"),
    ("first-of-two", "", "attachment; filename=one.txt; filename=two.txt", "one.txt"),
    ("unterminated-quote", "", 'attachment; filename="open.txt', "open.txt"),
    ("text-after-quote", "", 'attachment; filename="a.txt" junk; x=y', "a.txt"),
    ("trailing-semicolon", "", "attachment; filename=a.txt;", "a.txt"),
    ("double-semicolon", "", "attachment;; filename=a.txt", "a.txt"),
    ("comment-before", "", "attachment (filename=no.txt); filename=yes.txt", "yes.txt"),
    ("comment-between", "", "attachment; (really) filename=yes.txt", "yes.txt"),
    ("folded", "", "attachment;\r\n filename=folded.txt", "folded.txt"),
    ("folded-with-tab", "", 'attachment;\r\n\tfilename="tab folded.txt"', "tab folded.txt"),
    ("folded-inside-quotes", "", 'attachment; filename="two\r\n words.txt"', "two words.txt"),
    ("no-disposition-word", "", "; filename=odd.txt", "odd.txt"),
    ("unknown-disposition", "", "x-strange; filename=strange.txt", "strange.txt"),
    ("eight-bit-utf8", "", 'attachment; filename="été.txt"', "été.txt"),
    ("eight-bit-latin1", "", b'attachment; filename="\xe9t\xe9.txt"', "été.txt"),
    ("direction-override", "", "attachment; filename*=UTF-8''invoice%E2%80%AEfdp.exe", "invoicefdp.exe"),
    ("zero-width", "", "attachment; filename*=UTF-8''a%E2%80%8Bb.txt", "ab.txt"),
    # Control characters become blanks.
    ("encoded-line-break", "", "attachment; filename*=UTF-8''a%0D%0ABcc:%20x.txt", "a  Bcc_ x.txt"),
    ("encoded-nul", "", "attachment; filename*=UTF-8''a%00.exe", "a .exe"),
    ("encoded-slash", "", "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
    # RFC 2231 section 4: charset'language'text.
    ("2231-utf8", "", "attachment; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf", "résumé.pdf"),
    ("2231-latin1-language", "", "attachment; filename*=iso-8859-1'fr'%e9t%e9.pdf", "été.pdf"),
    ("2231-latin9-euro", "", "attachment; filename*=iso-8859-15''10%A4.txt", "10€.txt"),
    ("2231-windows-1252", "", "attachment; filename*=windows-1252''%93x%94.txt", "“x”.txt"),
    ("2231-koi8-r", "", "attachment; filename*=koi8-r''%C6%C1%CA%CC.txt", "файл.txt"),
    ("2231-shift-jis", "", "attachment; filename*=shift_jis''%93%FA%96%7B.txt", "日本.txt"),
    ("2231-gb18030", "", "attachment; filename*=gb18030''%CE%C4%BC%FE.txt", "文件.txt"),
    ("2231-empty-charset", "", "attachment; filename*=''plain%20text.txt", "plain text.txt"),
    ("2231-unknown-charset", "", "attachment; filename*=x-nonsense''%C3%A9.txt", "é.txt"),
    ("2231-lower-hex", "", "attachment; filename*=utf-8''%c3%a9.txt", "é.txt"),
    ("2231-broken-percent", "", "attachment; filename*=UTF-8''100%-%ZZ.txt", "100%-%ZZ.txt"),
    ("2231-quoted", "", "attachment; filename*=\"UTF-8''a%20b.txt\"", "a b.txt"),
    ("2231-wins", "", "attachment; filename=ascii.txt; filename*=UTF-8''%C3%A9.txt", "é.txt"),
    ("2231-wins-before", "", "attachment; filename*=UTF-8''%C3%A9.txt; filename=ascii.txt", "é.txt"),
    # RFC 2231 section 3: continuations.
    ("2231-continued", "", 'attachment; filename*0="a "; filename*1="b.txt"', "a b.txt"),
    ("2231-out-of-order", "", 'attachment; filename*1="b.txt"; filename*0="a"', "ab.txt"),
    ("2231-reversed-twelve", "",
     "attachment; " + "; ".join(f"filename*{i}={'abcdefghijkl'[i]}" for i in range(11, -1, -1)), "abcdefghijkl"),
    ("2231-continued-encoded", "", "attachment; filename*0*=UTF-8''caf%C3%A9; filename*1*=%20noir.txt",
     "café noir.txt"),
    ("2231-split-character", "", "attachment; filename*0*=UTF-8''caf%C3; filename*1*=%A9; filename*2=.txt",
     "café.txt"),
    ("2231-mixed", "", "attachment; filename*0*=UTF-8''%C3%A9; filename*1=%41; filename*2*=%41.txt",
     "é%41A.txt"),
    ("2231-starts-at-one", "", 'attachment; filename*1="a"; filename*2="b.txt"', "ab.txt"),
    ("2231-folded", "", "attachment;\r\n filename*0*=UTF-8''%C3%A9;\r\n filename*1*=t%C3%A9.txt", "été.txt"),
    ("2231-on-type", "; name*=UTF-8''%C3%A9.txt", "attachment", "é.txt"),
    ("2231-continued-on-type", '; name*0="a"; name*1="b.txt"', "attachment", "ab.txt"),
    ("2231-spaces-around", "", "attachment; filename* = UTF-8''a.txt", "a.txt"),
    # RFC 2047 words where no standard allows them.
    ("2047-base64", "", 'attachment; filename="=?UTF-8?B?w6l0w6kucGRm?="', "été.pdf"),
    ("2047-quoted", "", 'attachment; filename="=?iso-8859-1?Q?=E9t=E9.pdf?="', "été.pdf"),
    ("2047-unquoted", "", "attachment; filename==?iso-8859-1?Q?=E9t=E9.pdf?=", "été.pdf"),
    ("2047-two-words", "", 'attachment; filename="=?UTF-8?Q?long_?= =?UTF-8?Q?name.pdf?="', "long name.pdf"),
    ("2047-folded-words", "", 'attachment; filename="=?UTF-8?B?w6k=?=\r\n =?UTF-8?B?dMOp?="', "été"),
    ("2047-extension-outside", "", 'attachment; filename="=?UTF-8?B?w6l0w6k=?= .pdf"', "été .pdf"),
    ("2047-on-type", '; name="=?UTF-8?B?w6l0w6kucGRm?="', "attachment", "été.pdf"),
    ("2047-koi8", "", 'attachment; filename="=?koi8-r?B?xsHKzC50eHQ=?="', "файл.txt"),
    ("2047-path-inside", "", 'attachment; filename="=?UTF-8?Q?..=2F..=2Fpasswd?="', "passwd"),
    ("2047-not-a-word", "", 'attachment; filename="=?what.txt"', "=_what.txt"),
    ("2047-and-2231", "", 'attachment; filename="=?UTF-8?B?w6k=?="; filename*=UTF-8\'\'right.txt', "right.txt"),
]


def cases():
    for name, typed, disposition, shown in FORMS:
        head = [b"Content-Type: application/octet-stream" + typed.encode(),
                b"Content-Disposition: " + (disposition if isinstance(disposition, bytes) else disposition.encode())]
        attached = leaf(head, "attachment", b"content of " + name.encode(), media="application/octet-stream",
                        name=shown)
        body = multi("mixed", "b", [text("See the file."), attached])
        yield case("name-" + name, "a file name: " + name.replace("-", " "), body)
    long = "é" * 300 + ".tar.gz"
    encoded = "".join(f"%{byte:02X}" for byte in long.encode())
    pieces = [encoded[i : i + 60] for i in range(0, len(encoded), 60)]
    value = "attachment" + "".join(
        f";\r\n filename*{i}*=" + ("UTF-8''" if i == 0 else "") + piece for i, piece in enumerate(pieces))
    # At most 200 bytes, the extension kept: 98 letters of two bytes, then three bytes.
    yield case("name-very-long", "a name of 600 bytes over 31 continuations is shortened, its extension kept",
               multi("mixed", "b", [text("."), leaf(
                   ["Content-Type: application/gzip", "Content-Disposition: " + value], "attachment", b"x",
                   name="é" * 98 + ".gz")]))
