"""What parts are for: pictures, signatures, calendars, cards, reports, attached messages, odd writers."""

from build import CRLF, base64_lines, b, case, facts, html, leaf, multi, pdf, raw, text

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
ICS = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR"
CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Alice\r\nEND:VCARD"
DER = bytes.fromhex("3080060927") + bytes(range(60))


def picture(cid, role, *, name=None, disposition=None, media="image/png"):
    head = [f"Content-Type: {media}", "Content-Transfer-Encoding: base64"]
    if cid:
        head.append(f"Content-ID: {cid}")
    if disposition:
        head.append("Content-Disposition: " + disposition)
    bare = cid.strip("<> ") if cid else None
    return leaf(head, role, PNG, cid=bare or None, name=name)


def signed_by(brick, protocol, kind, content, name):
    """multipart/signed (RFC 1847): everything in it is under the signature."""
    part = leaf([f"Content-Type: {kind}; name={name}", "Content-Transfer-Encoding: base64",
                 f"Content-Disposition: attachment; filename={name}"], "signature", content, name=name)
    whole = multi("signed", "sig", [brick, part],
                  more=f'; micalg=sha-256; protocol="{protocol}"')
    # Everything within, multiparts apart, is marked.
    whole.lines = [whole.lines[0]] + [line.replace(" size=", " signed size=") for line in whole.lines[1:]]
    return whole


def related_cases():
    shows = html('<p>Hello <img src="cid:pic@a.example"></p>')
    yield case("related-shown", "a picture that the HTML shows is no attachment",
               multi("related", "r", [shows, picture("<pic@a.example>", "inline")]))
    yield case("related-not-shown", "a picture in multipart/related that nothing shows is an attachment",
               multi("related", "r", [html("<p>Hello</p>"), picture("<pic@a.example>", "attachment")]))
    yield case("related-no-cid", "a picture in multipart/related without Content-ID is an attachment",
               multi("related", "r", [shows, picture(None, "attachment")]))
    yield case("related-cid-no-brackets", "a Content-ID without brackets",
               multi("related", "r", [shows, picture("pic@a.example", "inline")]))
    yield case("related-cid-percent", "cid: with percent escapes (RFC 2392)",
               multi("related", "r", [html('<img src="cid:pic%40a.example">'), picture("<pic@a.example>", "inline")]))
    yield case("related-cid-unquoted", "an unquoted src",
               multi("related", "r", [html("<img src=cid:pic@a.example>"), picture("<pic@a.example>", "inline")]))
    yield case("related-cid-css", "shown by a style sheet",
               multi("related", "r", [html("<p style=\"background:url('cid:bg')\">x</p>"), picture("<bg>", "inline")]))
    yield case("related-attachment-shown", "declared attachment, and yet shown by the HTML",
               multi("related", "r", [shows, picture("<pic@a.example>", "inline", name="p.png",
                                                     disposition="attachment; filename=p.png")]))
    yield case("related-in-mixed", "shown from the related multipart, beside a file",
               multi("mixed", "m", [multi("related", "r", [shows, picture("<pic@a.example>", "inline")]), pdf()]))
    yield case("related-picture-outside", "the picture stands outside the related multipart, as Apple Mail does",
               multi("mixed", "m", [shows, picture("<pic@a.example>", "inline", disposition="inline")]))
    alternative = multi("alternative", "a", [text("Hello"), multi("related", "r", [
        shows, picture("<pic@a.example>", "inline")])])
    yield case("related-in-alternative", "text, or HTML with its picture", alternative)
    inner = multi("related", "r", [multi("alternative", "a", [text("Hello"), shows]),
                                   picture("<pic@a.example>", "inline")])
    yield case("related-around-alternative", "Outlook: alternative within related within mixed",
               multi("mixed", "m", [inner, pdf()]))
    yield case("related-picture-before", "the picture comes before the HTML that shows it",
               multi("related", "r", [picture("<pic@a.example>", "inline"), shows]))
    yield case("related-same-cid-twice", "two pictures with one Content-ID",
               multi("related", "r", [shows, picture("<pic@a.example>", "inline"),
                                      picture("<pic@a.example>", "inline")]))
    yield case("related-pdf-shown", "a document that the HTML names by cid is a file all the same",
               multi("related", "r", [html('<a href="cid:doc">x</a>'),
                                      leaf(["Content-Type: application/pdf", "Content-ID: <doc>"], "attachment",
                                           b"%PDF", cid="doc")]))
    yield case("related-text-mentions-cid", "a plain text that mentions cid: shows nothing",
               multi("related", "r", [text("see cid:pic@a.example"), picture("<pic@a.example>", "attachment")]))
    quoted_html = leaf(["Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: quoted-printable"],
                       "body", '<img src="cid:pic@a.example">', charset="utf-8")
    yield case("related-html-encoded", "the HTML is quoted-printable, every sign escaped",
               multi("related", "r", [quoted_html, picture("<pic@a.example>", "inline")]))
    long_html = html("<p>filler</p>\r\n" * 8000 + '<img src="cid:pic@a.example">')
    yield case("related-html-long", "the HTML is stored as a part and names the picture at its end",
               multi("related", "r", [long_html, picture("<pic@a.example>", "inline")]))


def body_cases():
    yield case("alternative", "text or HTML", multi("alternative", "a", [text("plain"), html("<p>html</p>")]))
    yield case("alternative-three", "text, enriched or HTML", multi("alternative", "a", [
        text("plain"), leaf("Content-Type: text/enriched", "body", "<bold>x</bold>"), html("<p>html</p>")]))
    yield case("alternative-amp", "text, AMP or HTML", multi("alternative", "a", [
        text("plain"), leaf("Content-Type: text/x-amp-html", "body", "<html amp4email></html>"), html("<p>x</p>")]))
    yield case("alternative-with-pdf", "a PDF as an alternative is a body alternative",
               multi("alternative", "a", [text("plain"), leaf("Content-Type: application/pdf", "body", b"%PDF-1.4")]))
    yield case("alternative-with-file", "a declared attachment among alternatives stays a file",
               multi("alternative", "a", [text("plain"), pdf()]))
    yield case("alternative-one", "one alternative only", multi("alternative", "a", [text("plain")]))
    yield case("alternative-empty-first", "an empty text first", multi("alternative", "a", [text(""), html("<p>x</p>")]))
    yield case("mixed-two-texts", "a list's footer is text too",
               multi("mixed", "m", [text("Hello."), text("-- \r\nlist footer")]))
    yield case("mixed-text-file-text", "text, file, text", multi("mixed", "m", [text("one"), pdf(), text("two")]))
    yield case("mixed-html-after-text", "a second body in HTML", multi("mixed", "m", [text("one"), html("<p>two</p>")]))
    yield case("mixed-only-file", "a multipart with one file", multi("mixed", "m", [pdf()]))
    yield case("top-is-file", "the message is one PDF", pdf())
    yield case("top-is-html", "the message is HTML", html("<p>x</p>\r\n"), end=b"")
    yield case("top-is-named-text", "a name on the only text is a habit, not a file",
               leaf("Content-Type: text/plain; name=body.txt", "body", "Hello.\r\n", name="body.txt"), end=b"")
    yield case("text-attached", "a text declared attachment",
               multi("mixed", "m", [text("see"), leaf(["Content-Type: text/plain",
                                                       "Content-Disposition: attachment; filename=a.txt"],
                                                      "attachment", "notes", name="a.txt")]))
    yield case("text-inline-named", "a text inline with a file name is a file",
               multi("mixed", "m", [text("see"), leaf(["Content-Type: text/plain",
                                                       "Content-Disposition: inline; filename=a.txt"],
                                                      "attachment", "notes", name="a.txt")]))
    yield case("text-inline-unnamed", "a text inline without name is text",
               multi("mixed", "m", [text("see"), leaf(["Content-Type: text/plain", "Content-Disposition: inline"],
                                                      "body", "more")]))
    yield case("text-named-second", "a second text with a name in its type only is a file",
               multi("mixed", "m", [text("see"), leaf("Content-Type: text/plain; name=a.txt", "attachment", "notes",
                                                      name="a.txt")]))
    yield case("text-csv", "a CSV without disposition is a file",
               multi("mixed", "m", [text("see"), leaf("Content-Type: text/csv", "attachment", "a,b")]))
    yield case("html-attached", "HTML declared attachment is no body, and its pictures are not shown",
               multi("mixed", "m", [text("see"), leaf(["Content-Type: text/html",
                                                       "Content-Disposition: attachment; filename=a.html"],
                                                      "attachment", '<img src="cid:x">', name="a.html"),
                                    picture("<x>", "attachment")]))
    yield case("image-inline-no-cid", "a picture declared inline that nothing shows is an attachment",
               multi("mixed", "m", [text("see"), picture(None, "attachment", name="p.png",
                                                         disposition="inline; filename=p.png")]))
    yield case("parallel", "multipart/parallel", multi("parallel", "p", [text("one"), pdf()]))
    yield case("form-data", "multipart/form-data in a mail", multi("form-data", "f", [leaf(
        ["Content-Type: text/plain", 'Content-Disposition: form-data; name="x"'], "attachment", "1")]))
    yield case("types-without-slash", "a type that is none is text (RFC 2045 5.2)",
               leaf("Content-Type: text", "body", "Hello.\r\n", media="text/plain"), end=b"")
    yield case("type-empty", "an empty type", leaf("Content-Type:", "body", "x\r\n", media="text/plain"), end=b"")
    yield case("type-only-subtype", "only a subtype",
               leaf("Content-Type: /plain", "body", "x\r\n", media="text/plain"), end=b"")
    yield case("type-twice", "two types: the first counts", leaf(
        ["Content-Type: application/pdf", "Content-Type: text/plain"], "attachment", b"%PDF\r\n"), end=b"")
    yield case("type-blanks", "blanks and comments within the type", leaf(
        "Content-Type: text / (no, really) html; charset=utf-8", "body", "<p>x</p>\r\n", media="text/html",
        charset="utf-8"), end=b"")


def crypto_cases():
    smime = "application/pkcs7-signature"
    yield case("smime-signed", "S/MIME, clear signed", signed_by(text("Hello."), smime, smime, DER, "smime.p7s"),
               flags="author-signed")
    yield case("smime-signed-with-file", "S/MIME over text and file",
               signed_by(multi("mixed", "m", [text("Hello."), pdf()]), smime, smime, DER, "smime.p7s"),
               flags="author-signed")
    yield case("smime-signed-x", "the older type names",
               signed_by(text("Hello."), "application/x-pkcs7-signature", "application/x-pkcs7-signature", DER,
                         "smime.p7s"), flags="author-signed")
    yield case("pgp-signed", "PGP/MIME, signed",
               signed_by(text("Hello."), "application/pgp-signature", "application/pgp-signature",
                         b"-----BEGIN PGP SIGNATURE-----", "signature.asc"), flags="author-signed")
    for kind, flag in [("signed-data", "author-signed"), ("enveloped-data", "author-encrypted"),
                       ("authEnveloped-data", "author-encrypted"), ("compressed-data", None), ("certs-only", None),
                       (None, "author-encrypted")]:
        more = f"; smime-type={kind}" if kind else ""
        notes = {"flags": flag} if flag else {}
        yield case("smime-" + (kind or "untyped").lower(), f"application/pkcs7-mime, {kind}",
                   leaf([f"Content-Type: application/pkcs7-mime{more}; name=smime.p7m",
                         "Content-Disposition: attachment; filename=smime.p7m",
                         "Content-Transfer-Encoding: base64"], "attachment", DER, name="smime.p7m"), **notes)
    yield case("pgp-encrypted", "PGP/MIME, encrypted",
               multi("encrypted", "e", [
                   leaf("Content-Type: application/pgp-encrypted", "attachment", "Version: 1"),
                   leaf("Content-Type: application/octet-stream; name=encrypted.asc", "attachment",
                        "-----BEGIN PGP MESSAGE-----\r\n", name="encrypted.asc")],
                   more='; protocol="application/pgp-encrypted"'), flags="author-encrypted")
    yield case("pgp-inline-encrypted", "PGP in the text",
               text("-----BEGIN PGP MESSAGE-----\r\n\r\nabc\r\n-----END PGP MESSAGE-----\r\n"), end=b"",
               flags="author-encrypted")
    yield case("pgp-inline-signed", "PGP clear signed in the text",
               text("-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nx\r\n"), end=b"", flags="author-signed")
    yield case("pgp-inline-quoted", "a quoted PGP message further down is no encryption",
               text("> -----BEGIN PGP MESSAGE-----\r\n"), end=b"")
    yield case("pgp-key", "a public key is a file", multi("mixed", "m", [text("my key"), leaf(
        "Content-Type: application/pgp-keys; name=key.asc", "attachment", "-----BEGIN PGP PUBLIC KEY BLOCK-----",
        name="key.asc")]))
    triple = signed_by(leaf(["Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
                             "Content-Transfer-Encoding: base64"], "attachment", DER, name="smime.p7m"),
                       smime, smime, DER, "smime.p7s")
    yield case("smime-triple", "encrypted within signed", triple, flags="author-encrypted author-signed")
    yield case("signed-in-mixed", "a signed part with a list's footer behind it",
               multi("mixed", "m", [signed_by(text("Hello."), smime, smime, DER, "smime.p7s"), text("footer")]),
               flags="author-signed")


def agenda_cases():
    invitation = "Content-Type: text/calendar; charset=utf-8; method=REQUEST"
    yield case("calendar-invitation", "an invitation", multi("alternative", "a", [
        text("You are invited."), leaf(invitation, "calendar", ICS, charset="utf-8")]), method="REQUEST")
    for method in ("REPLY", "CANCEL", "COUNTER", "PUBLISH"):
        yield case("calendar-" + method.lower(), "method " + method, leaf(
            f"Content-Type: text/calendar; method={method.lower()}", "calendar", ICS + "\r\n"), end=b"", method=method)
    yield case("calendar-method-inside", "the method stands in the calendar only",
               leaf("Content-Type: text/calendar", "calendar", ICS + "\r\n"), end=b"", method="REQUEST")
    yield case("calendar-no-method", "a calendar without method invites nobody",
               leaf("Content-Type: text/calendar", "calendar", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"), end=b"")
    yield case("calendar-file", "a calendar declared attachment invites nobody",
               multi("mixed", "m", [text("see"), leaf(["Content-Type: text/calendar; method=REQUEST; name=a.ics",
                                                       "Content-Disposition: attachment; filename=a.ics"],
                                                      "calendar", ICS, name="a.ics")]))
    yield case("calendar-base64", "an invitation in base64", leaf(
        ["Content-Type: text/calendar; charset=utf-8", "Content-Transfer-Encoding: base64"], "calendar", ICS,
        charset="utf-8"), method="REQUEST")
    yield case("calendar-outlook", "an invitation as Outlook sends it: alternative, then the same as application/ics",
               multi("mixed", "m", [multi("alternative", "a", [
                   text("You are invited."), leaf(invitation, "calendar", ICS, charset="utf-8")]),
                   leaf(["Content-Type: application/ics; name=invite.ics",
                         "Content-Disposition: attachment; filename=invite.ics"], "attachment", ICS,
                        name="invite.ics")]), method="REQUEST")
    for name, head in [("vcard", "text/vcard"), ("vcard-x", "text/x-vcard"), ("vcard-directory",
                                                                            "text/directory; profile=vCard")]:
        yield case(name, "a visiting card", multi("mixed", "m", [text("my card"), leaf(
            f"Content-Type: {head}", "vcard", CARD)]))
    yield case("vcard-file", "a visiting card as a file", multi("mixed", "m", [text("my card"), leaf(
        ["Content-Type: text/vcard; name=alice.vcf", "Content-Disposition: attachment; filename=alice.vcf"], "vcard",
        CARD, name="alice.vcf")]))
    yield case("vcard-directory-other", "text/directory of another profile is a file",
               multi("mixed", "m", [text("x"), leaf("Content-Type: text/directory", "attachment", "x")]))


def report_cases():
    status = "Reporting-MTA: dns; mx.b.example\r\n\r\nFinal-Recipient: rfc822; bob@b.example\r\nAction: failed\r\n"
    for name, kind, subtype, content in [
        ("dsn", "delivery-status", "message/delivery-status", status),
        ("mdn", "disposition-notification", "message/disposition-notification", "Disposition: x; displayed\r\n"),
        ("feedback", "feedback-report", "message/feedback-report", "Feedback-Type: abuse\r\n"),
        ("dsn-global", "delivery-status", "message/global-delivery-status", status),
    ]:
        parts = [text("It failed."), leaf(f"Content-Type: {subtype}", "report", content),
                 leaf("Content-Type: message/rfc822", "report", "Subject: original\r\n\r\nHello.")]
        yield case("report-" + name, f"a report, {kind}", multi("report", "r", parts, more=f"; report-type={kind}"),
                   flags="is-report")
    yield case("report-headers-only", "the original's header only",
               multi("report", "r", [text("It failed."), leaf("Content-Type: message/delivery-status", "report", status),
                                     leaf("Content-Type: text/rfc822-headers", "report", "Subject: original")],
                     more="; report-type=delivery-status"), flags="is-report")
    yield case("report-bare", "a delivery status alone", leaf("Content-Type: message/delivery-status", "report", status),
               end=b"", flags="is-report")
    auto = ["Auto-Submitted: auto-replied"]
    yield case("report-vacation", "an automatic answer", text("I am away.\r\n"), end=b"", extra=auto, flags="automatic")
    yield case("report-auto-comment", "an automatic answer, with a comment",
               text("x\r\n"), end=b"", extra=["Auto-Submitted: auto-generated (cron)"], flags="automatic")
    yield case("report-auto-no", "not automatic, and says so", text("x\r\n"), end=b"", extra=["Auto-Submitted: no"])


def message_cases():
    inner = "From: carol@c.example\r\nSubject: inner\r\n\r\nHello.\r\n"
    forwarded = leaf("Content-Type: message/rfc822", "attachment", inner)
    yield case("rfc822-forwarded", "a forwarded message is one file", multi("mixed", "m", [text("see"), forwarded]))
    yield case("rfc822-named", "a forwarded message with a name", multi("mixed", "m", [text("see"), leaf(
        ["Content-Type: message/rfc822; name=inner.eml", "Content-Disposition: attachment; filename=inner.eml"],
        "attachment", inner, name="inner.eml")]))
    yield case("rfc822-only", "the message is another message", leaf("Content-Type: message/rfc822", "attachment", inner),
               end=b"")
    for levels in (2, 10, 100):
        content = inner
        for level in range(levels - 1):
            content = f"Subject: level {level}\r\nContent-Type: message/rfc822\r\n\r\n{content}"
        yield case(f"rfc822-deep-{levels}", f"messages within messages, {levels} levels",
                   multi("mixed", "m", [text("see"), leaf("Content-Type: message/rfc822", "attachment", content)]))
    multipart = "Content-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\n\r\nx\r\n--inner--\r\n"
    yield case("rfc822-multipart-inside", "the attached message is a multipart with another boundary",
               multi("mixed", "outer", [leaf("Content-Type: message/rfc822", "attachment", multipart)]))
    clash = multipart.replace("inner", "same")
    yield raw("rfc822-boundary-clash", "the attached message uses the outer boundary: the outer one wins",
              "Content-Type: multipart/mixed; boundary=same\r\n\r\n--same\r\nContent-Type: message/rfc822\r\n\r\n"
              + clash + "--same--\r\n",
              ["multipart/mixed", "  " + facts("message/rfc822", "attachment",
                                               b"Content-Type: multipart/mixed; boundary=same\r\n"),
               "  " + facts("text/plain", "body", b"x")], defects="one boundary for two messages")
    yield case("rfc822-eight-bit", "an attached message with raw UTF-8", multi("mixed", "m", [leaf(
        ["Content-Type: message/rfc822", "Content-Transfer-Encoding: 8bit"], "attachment",
        "Subject: été\r\n\r\ndéjà\r\n")]))
    yield case("rfc822-global", "message/global (RFC 6532)", multi("mixed", "m", [leaf(
        ["Content-Type: message/global", "Content-Transfer-Encoding: 8bit"], "attachment", "Subject: été\r\n\r\nx")]))
    items = [leaf([], "attachment", f"Subject: {i}\r\n\r\ntext {i}", media="message/rfc822") for i in range(3)]
    yield case("digest", "in a digest, parts without type are messages (RFC 2046 5.1.5)", multi("digest", "d", items))
    yield case("digest-with-type", "a digest with a table of contents",
               multi("digest", "d", [text("contents"), *items]))
    yield case("digest-in-mixed", "a digest within a mixed",
               multi("mixed", "m", [text("today's digest"), multi("digest", "d", items), text("footer")]))
    yield case("partial", "message/partial: one piece of a message", leaf(
        'Content-Type: message/partial; id="x@a.example"; number=2; total=3', "attachment", "the middle\r\n"), end=b"")
    yield case("partial-first", "message/partial, the first piece, with the inner header", leaf(
        'Content-Type: message/partial; id="x@a.example"; number=1; total=2', "attachment", inner), end=b"")
    external = "Content-Type: image/png\r\nContent-ID: <x>\r\n\r\n"
    for access, more in [("anon-ftp", 'site="ftp.a.example"; name="a.png"'), ("URL", 'URL="http://a.example/a.png"'),
                         ("local-file", 'name="/etc/passwd"'), ("mail-server", 'server="s@a.example"')]:
        name = {"anon-ftp": "a.png", "local-file": "passwd"}.get(access)
        yield case("external-" + access.lower(), f"message/external-body by {access}: nothing is fetched",
                   multi("mixed", "m", [text("see"), leaf(
                       f"Content-Type: message/external-body; access-type={access}; {more}", "attachment", external,
                       name=name)]))
    yield case("http-message", "message/http", multi("mixed", "m", [leaf("Content-Type: message/http", "attachment",
                                                                       "GET / HTTP/1.1\r\n\r\n")]))


def odd_writers():
    apple = multi("appledouble", "ad", [
        leaf(["Content-Type: application/applefile; name=Report.doc", "Content-Transfer-Encoding: base64",
              "Content-Disposition: attachment; filename=Report.doc"], "attachment", b"\0\5\x16\7\0\2\0\0", name="Report.doc"),
        leaf(["Content-Type: application/msword; name=Report.doc", "Content-Transfer-Encoding: base64",
              "Content-Disposition: attachment; filename=Report.doc"], "attachment", b"\xd0\xcf\x11\xe0", name="Report.doc")])
    yield case("apple-double", "AppleDouble (RFC 1740): two forks of one file", multi("mixed", "m", [text("see"), apple]))
    yield case("apple-single", "AppleSingle", multi("mixed", "m", [text("see"), leaf(
        ["Content-Type: application/applefile", "Content-Transfer-Encoding: base64"], "attachment", b"\0\5\x16\0")]))
    yield case("binhex", "BinHex stays as it is", multi("mixed", "m", [text("see"), leaf(
        ["Content-Type: application/mac-binhex40; name=a.hqx"], "attachment",
        "(This file must be converted with BinHex 4.0)\r\n:#dT*9d9:", name="a.hqx")]))
    yield case("apple-mail-texts", "Apple Mail: text, picture, text in one mixed", multi("mixed", "m", [
        text("Before "), picture(None, "attachment", name="p.jpeg", disposition="inline; filename=p.jpeg",
                                 media="image/jpeg"), text(" after")]))
    yield case("outlook-winmail-types", "TNEF under its two names", multi("mixed", "m", [text("see"), leaf(
        ["Content-Type: application/ms-tnef; name=winmail.dat", "Content-Transfer-Encoding: base64",
         "Content-Disposition: attachment; filename=winmail.dat"], "attachment", b"x\x9f>\"\1\0", name="winmail.dat"),
        leaf(["Content-Type: application/vnd.ms-tnef; name=win.dat", "Content-Transfer-Encoding: base64"], "attachment",
             b"x\x9f>\"\2\0", name="win.dat")]))
    yield case("outlook-thread-index", "Outlook's own fields", text("Hello.\r\n"), end=b"", extra=[
        "Thread-Index: AQHZ", "X-MS-Has-Attach:", "X-MS-TNEF-Correlator:", "x-originating-ip: [192.0.2.1]"])
    yield case("outlook-cid-image001", "Outlook's names of pictures", multi("related", "r", [
        html('<img id="x" src="cid:image001.png@01DB2A4E.6A0B3F20">'),
        leaf(['Content-Type: image/png; name="image001.png"', "Content-Transfer-Encoding: base64",
              "Content-ID: <image001.png@01DB2A4E.6A0B3F20>", "Content-Description: image001.png",
              'Content-Disposition: inline; filename="image001.png"; size=48;\r\n'
              '\tcreation-date="Sun, 22 Nov 2026 09:00:00 GMT"'], "inline", PNG, name="image001.png",
             cid="image001.png@01DB2A4E.6A0B3F20")], more='; type="multipart/alternative"'))
    yield case("lotus-notes", "Lotus Notes: a cid with blanks and a body in Latin 1", multi("related", "r", [
        html("<img src=cid:_1_0A12>"), picture("<_1_0A12>", "inline", media="image/gif")]))
    yield case("gmail-drive", "Gmail: X-Attachment-Id beside the Content-ID", multi("mixed", "m", [
        html("<p>see</p>"), leaf(["Content-Type: application/pdf; name=\"r.pdf\"", "X-Attachment-Id: f_x",
                                  "Content-ID: <f_x>", "Content-Disposition: attachment; filename=\"r.pdf\"",
                                  "Content-Transfer-Encoding: base64"], "attachment", b"%PDF", name="r.pdf", cid="f_x")]))
    yield case("thunderbird-detached", "Thunderbird: an attachment that was taken out", multi("mixed", "m", [
        text("see"), leaf(["Content-Type: text/x-moz-deleted; name=\"Deleted: a.pdf\"",
                           "Content-Disposition: inline; filename=\"Deleted: a.pdf\""], "attachment",
                          "You deleted an attachment from this message.", name="Deleted_ a.pdf")]))
    yield case("scanner", "a scanner: no text, one file, type octet-stream", multi("mixed", "m", [leaf(
        ["Content-Type: application/octet-stream; name=scan0001.pdf", "Content-Transfer-Encoding: base64"],
        "attachment", b"%PDF-1.3\n", name="scan0001.pdf")]))
    yield case("fax", "a fax: multipage TIFF", multi("voice-message", "v", [text("fax"), leaf(
        ["Content-Type: image/tiff; name=fax.tif", "Content-Transfer-Encoding: base64"], "attachment", b"II*\0",
        name="fax.tif")]))
    yield case("amazon-bare-type", "types without parameters where some are due", multi("mixed", "m", [
        leaf("Content-Type: text/plain", "body", "x"), leaf("Content-Type: application/zip", "attachment", b"PK\5\6")]))
    yield case("content-location", "MHTML: pictures by Content-Location stay files", multi("related", "r", [
        html('<img src="http://a.example/p.png">'),
        leaf(["Content-Type: image/png", "Content-Location: http://a.example/p.png",
              "Content-Transfer-Encoding: base64"], "attachment", PNG)]))
    yield case("zero-byte-file", "a file of no bytes", multi("mixed", "m", [text("see"), leaf(
        ["Content-Type: application/octet-stream", "Content-Disposition: attachment; filename=empty.bin"], "attachment",
        b"", name="empty.bin")]))


def cases():
    for family in (related_cases, body_cases, crypto_cases, agenda_cases, report_cases, message_cases, odd_writers):
        yield from family()
