"""A load balancer at 127.0.0.2 that speaks the PROXY protocol, rightly and wrongly; prints what it got back.

Usage: proxy.py SMTP_PORT IMAP_PORT SMTPS_PORT CA HTTPS_PORT
"""
import json
import socket
import ssl
import struct
import sys

SMTP, IMAP, SMTPS, HTTPS = (int(p) for p in sys.argv[1:4] + sys.argv[5:6])
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def header(command=0x21, client="203.0.113.9", port=4711, field=b"\x04\x00\x03abc"):
    body = socket.inet_aton(client) + socket.inet_aton("198.51.100.1") + struct.pack(">HH", port, 25)
    body += field
    return SIGNATURE + bytes([command, 0x11]) + struct.pack(">H", len(body)) + body


def connect(port, source):
    return socket.create_connection(("127.0.0.1", port), 30, (source, 0))


def talk(port, first, then=b"", source="127.0.0.2"):
    with connect(port, source) as s:
        try:
            s.sendall(first if then else first + b"\0" * 16)
            got = s.recv(200)
            if then:
                s.sendall(then)
                s.shutdown(socket.SHUT_WR)
                while more := s.recv(2000):
                    got += more
        except OSError:
            return ""
        return got.decode()


def secured(port=SMTPS, ask=b""):
    with connect(port, "127.0.0.2") as s:
        s.sendall(header(port=4712))
        context = ssl.create_default_context(cafile=sys.argv[4])
        with context.wrap_socket(s, server_hostname="localhost") as tls:
            tls.sendall(ask)
            return tls.recv(200).decode()


json.dump({
    "right": talk(SMTP, header(), b"NONSENSE\r\nQUIT\r\n"),
    "health check": talk(SMTP, header(0x20), b"QUIT\r\n"),
    "imap": talk(IMAP, header(), b"a LOGOUT\r\n"),
    "secured": secured(),
    "pages": secured(HTTPS, b"GET /robots.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "pages without": talk(HTTPS, b"GET /robots.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "none": talk(SMTP, b"EHLO client.example\r\n"),
    "version 1": talk(SMTP, b"PROXY TCP4 203.0.113.9 198.51.100.1 4711 25\r\n"),
    "cut off": talk(SMTP, header(field=b"\x04\x00\xffabc")),
    "wrong version": talk(SMTP, header(0x11)),
    "not a balancer": talk(SMTP, header(), b"QUIT\r\n", "127.0.0.3"),
}, sys.stdout)
