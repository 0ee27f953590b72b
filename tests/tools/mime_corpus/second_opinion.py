"""What Python's email package makes of a message, compared leaf by leaf with what is expected."""

import email
import email.policy
import hashlib
import json
import re


def leaves(message):
    """Type, name and digest of every leaf; attached messages are leaves here."""
    if message.is_multipart() and message.get_content_maintype() == "multipart":
        for part in message.iter_parts():
            yield from leaves(part)
        return
    content = message.get_payload(decode=True)
    if content is None:
        # An attached message, or what Python could not take apart.
        payload = message.get_payload()
        content = payload[0].as_bytes() if isinstance(payload, list) and payload else b""
    try:
        name = message.get_filename()
    except Exception as error:
        name = f"<{type(error).__name__}>"
    yield message.get_content_type(), name, hashlib.sha256(content).hexdigest()


def expected(line):
    line = line.strip()
    name = re.search(r'name=("(?:[^"\\]|\\.)*")', line)
    digest = re.search(r"sha256=([0-9a-f]+)", line)
    return line.split()[0], json.loads(name.group(1)) if name else None, digest and digest.group(1)


def second_opinion(case):
    wanted = [expected(line) for line in case.lines if "sha256=" in line]
    try:
        found = list(leaves(email.message_from_bytes(case.message, policy=email.policy.default)))
    except Exception as error:
        return f"fails with {type(error).__name__}"
    if len(found) != len(wanted):
        return f"{len(found)} leaves instead of {len(wanted)}"
    for number, (have, want) in enumerate(zip(found, wanted), 1):
        if have[0] != want[0]:
            return f"leaf {number} is {have[0]}"
        if have[1] != want[1]:
            return f"leaf {number} is named {json.dumps(have[1], ensure_ascii=False)}"
        if have[2] != want[2]:
            return f"leaf {number} has other content"
    return "same"
