"""A real client's view: Python's imaplib against the session. Arguments: port, path of a message."""
import imaplib
import sys

port, path = int(sys.argv[1]), sys.argv[2]
message = open(path, "rb").read()

client = imaplib.IMAP4("127.0.0.1", port)
assert "LOGINDISABLED" not in client.capabilities, client.capabilities
client.login("bob@example.test", "secret")
assert "UIDPLUS" in client.capability()[1][0].decode()

status, folders = client.list()
assert status == "OK" and len(folders) == 4, folders
assert client.create("Dossiers")[0] == "OK"

status, data = client.append("INBOX", "(\\Flagged)", imaplib.Time2Internaldate(1_700_000_000), message)
assert status == "OK" and b"APPENDUID" in data[0], data
big = message + b"x" * 76 + b"\r\n"
big += (b"y" * 76 + b"\r\n") * 20_000
assert client.append("INBOX", None, None, big)[0] == "OK"

status, count = client.select("INBOX")
assert status == "OK" and count == [b"2"], count
status, data = client.fetch("1", "(UID FLAGS BODY.PEEK[])")
assert data[0][1] == message and b"\\Flagged" in data[0][0], data[0][0]
status, data = client.fetch("2", "(RFC822)")
assert data[0][1] == big
status, data = client.fetch("1:2", "(ENVELOPE BODYSTRUCTURE INTERNALDATE)")
assert len(data) == 2 and b"multipart" not in data[0] and b'"mixed"' in data[0], data[0]

assert client.search(None, "SUBJECT", "attached")[1] == [b"1 2"]
assert client.search(None, "SUBJECT", '"attached"', "FLAGGED")[1] == [b"1"]
client.literal = "Dora".encode()
assert client.search("UTF-8", "TO")[1] == [b"1 2"]
assert client.uid("SEARCH", "UNSEEN")[1] == [b"1"]

assert client.store("1", "+FLAGS", "(\\Deleted $Read)")[0] == "OK"
assert client.uid("COPY", "2", "Dossiers")[0] == "OK"
assert client.expunge()[1] == [b"1"]
assert client.status("Dossiers", "(MESSAGES UNSEEN)")[1][0].endswith(b"(MESSAGES 1 UNSEEN 0)")
assert client.close()[0] == "OK"
try:
    client.select("Rien")
    client.fetch("1", "(FLAGS)")
    raise SystemExit("a folder that does not exist was selected")
except imaplib.IMAP4.error:
    pass
assert client.logout()[0] == "BYE"
print("done")
