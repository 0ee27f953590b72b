"""SCRAM-SHA-256(-PLUS) from the RFCs alone, beside the libraries that real clients use.

Usage: scram.py CA PORT LOGIN PASSWORD [SOURCE]    tries every way to log in over implicit TLS and prints JSON.
"""
import base64
import hashlib
import hmac
import json
import os
import socket
import ssl
import sys

CA, PORT, LOGIN, PASSWORD = sys.argv[1:5]
SOURCE = (sys.argv[5], 0) if len(sys.argv) > 5 else None


def b64(data):
    return base64.b64encode(data).decode()


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class Session:
    """One connection, after EHLO."""

    def __init__(self):
        context = ssl.create_default_context(cafile=CA)
        raw = socket.create_connection(("127.0.0.1", int(PORT)), 60, SOURCE)
        self.socket = context.wrap_socket(raw, server_hostname="localhost")
        self.file = self.socket.makefile("rwb")
        self.reply()
        self.offer = self.say("EHLO scram.example")

    def reply(self):
        lines = []
        while True:
            line = self.file.readline().decode().rstrip("\r\n")
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)

    def say(self, line):
        self.file.write(line.encode() + b"\r\n")
        self.file.flush()
        return self.reply()

    def end_point(self):
        return hashlib.sha256(self.socket.getpeercert(True)).digest()

    def scram(self, login=LOGIN, password=PASSWORD, plus=False, flag=None, data=b"", proof=None):
        """Answers the first challenge and the last reply; checks what the server proves."""
        header = (flag or "n") + ",,"
        bare = "n=%s,r=%s" % (login.replace("=", "=3D").replace(",", "=2C"), b64(os.urandom(18)))
        name = "SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256"
        reply = self.say("AUTH %s %s" % (name, b64((header + bare).encode())))
        if not reply.startswith("334 "):
            return None, reply
        first = base64.b64decode(reply[4:]).decode()
        fields = dict(f.split("=", 1) for f in first.split(","))
        salt, rounds = base64.b64decode(fields["s"]), int(fields["i"])
        assert fields["r"].startswith(bare.split("r=")[1]), "the nonce is continued"
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
        last = "c=%s,r=%s" % (b64(header.encode() + data), fields["r"])
        signed = ("%s,%s,%s" % (bare, first, last)).encode()
        key = mac(salted, b"Client Key")
        signature = mac(hashlib.sha256(key).digest(), signed)
        mine = proof or bytes(a ^ b for a, b in zip(key, signature))
        reply = self.say(b64(("%s,p=%s" % (last, b64(mine))).encode()))
        if reply.startswith("334 "):
            proved = base64.b64decode(reply[4:]).decode()
            assert proved == "v=" + b64(mac(mac(salted, b"Server Key"), signed)), "the server proves itself"
            reply = self.say("")
        return {"salt": b64(salt), "rounds": rounds}, reply


def main():
    end_point = "p=tls-server-end-point"
    tries = {
        "plain": lambda s: s.scram(),
        "end point": lambda s: s.scram(plus=True, flag=end_point, data=s.end_point()),
        "another end point": lambda s: s.scram(plus=True, flag=end_point, data=hashlib.sha256(b"x").digest()),
        "another exporter": lambda s: s.scram(plus=True, flag="p=tls-exporter", data=bytes(32)),
        "unknown binding": lambda s: s.scram(plus=True, flag="p=tls-unique", data=bytes(12)),
        "downgraded": lambda s: s.scram(flag="y"),
        "plus without binding": lambda s: s.scram(plus=True),
        "wrong": lambda s: s.scram(password="wrong"),
        "no proof": lambda s: s.scram(proof=bytes(32)),
        "unknown": lambda s: s.scram(login="nobody@sealpost.test"),
        "unknown again": lambda s: s.scram(login="nobody@sealpost.test"),
        "no address": lambda s: s.scram(login="nobody"),
    }
    answers = {}
    wanted = os.environ.get("TRIES", ",".join(tries)).split(",")
    for name in wanted:
        session = Session()
        first, reply = tries[name](session)
        answers[name] = {"first": first, "reply": reply, "offer": session.offer}
    json.dump(answers, sys.stdout)


main()
