"""A stranger's look at the public log, from the C2SP texts alone (tlog-checkpoint, tlog-tiles, signed-note).

Usage: tlog.py BASE-URL CA.pem KEY.pem [OLD-CHECKPOINT]

Fetches the checkpoint, verifies its signature by openssl, fetches the hash tiles, recomputes the root, and,
given an older checkpoint, recomputes that one's root from the same tiles: the log only grew. Prints the note.
"""
import base64
import hashlib
import ssl
import subprocess
import sys
import tempfile
import urllib.request

base, ca, key = sys.argv[1:4]
context = ssl.create_default_context(cafile=ca)


def fetch(path):
    with urllib.request.urlopen(f"{base}/{path}", context=context, timeout=30) as answer:
        return answer.read(), answer.headers


def parse(note):
    text, signatures = note.split("\n\n", 1)
    origin, size, root = text.split("\n")
    return origin, int(size), base64.b64decode(root), text + "\n", signatures


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def path_of(level, index, width):
    words = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        words.insert(0, f"x{index % 1000:03}")
    partial = f".p/{width}" if width < 256 else ""
    return f"tile/{level}/{'/'.join(words)}{partial}"


tiles = {}


def leaves(size):
    """Leaf hashes of the whole log, from level 0; every full tile is checked against the level above."""
    hashes = []
    for index in range((size + 255) // 256):
        width = min(256, size - index * 256)
        if (index, width) not in tiles:
            data, headers = fetch(path_of(0, index, width))
            assert len(data) == 32 * width, (index, width, len(data))
            assert "immutable" in headers["Cache-Control"], headers["Cache-Control"]
            tiles[index, width] = data
        data = tiles[index, width]
        hashes += [data[at:at + 32] for at in range(0, len(data), 32)]
    return hashes


def root_of(hashes):
    """RFC 6962 section 2.1."""
    if len(hashes) == 0:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node(root_of(hashes[:split]), root_of(hashes[split:]))


def verify(text, signatures, name):
    line = [s for s in signatures.splitlines() if s.startswith(f"\u2014 {name} ")][0]
    blob = base64.b64decode(line.rsplit(" ", 1)[1])
    with tempfile.NamedTemporaryFile() as public, tempfile.NamedTemporaryFile() as signature:
        spki = subprocess.run(["openssl", "x509", "-in", key, "-pubkey", "-noout"], check=True, capture_output=True)
        public.write(spki.stdout)
        public.flush()
        der = base64.b64decode(b"".join(spki.stdout.splitlines()[1:-1]))
        assert hashlib.sha256(der).digest()[:4] == blob[:4], "the key's identifier"
        signature.write(blob[4:])
        signature.flush()
        command = ["openssl", "dgst", "-sha256", "-verify", public.name, "-signature", signature.name]
        subprocess.run(command, input=text.encode(), check=True, capture_output=True)


note, headers = fetch("checkpoint")
assert "max-age" in headers["Cache-Control"] or "no-cache" in headers["Cache-Control"]
origin, size, root, text, signatures = parse(note.decode())
verify(text, signatures, origin)
hashes = leaves(size)
assert root_of(hashes) == root, "the tiles do not lead to the root"
if size > 256:
    above, _ = fetch(path_of(1, 0, size // 256))
    for n in range(size // 256):
        assert above[n * 32:n * 32 + 32] == root_of(hashes[n * 256:n * 256 + 256]), "level 1"
if len(sys.argv) > 4:
    before, old, old_root, _, _ = parse(open(sys.argv[4]).read())
    assert before == origin and old <= size, (before, origin, old, size)
    assert root_of(hashes[:old]) == old_root, "the log did not only grow"
sys.stdout.write(note.decode())
