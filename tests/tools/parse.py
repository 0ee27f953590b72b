"""Parses a message from standard input and prints it as JSON: headers, and leaves with their decoded content.

{"headers": [[name, decoded value], …], "parts": [{"type", "filename", "content": base64}, …]}
"""
import base64
import email
import email.policy
import json
import sys

message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts = []
for part in message.walk():
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        continue
    if part.get_content_maintype() == "message":
        content = part.get_payload(0).as_bytes()
    else:
        content = part.get_payload(decode=True) or b""
        if part.get_content_maintype() == "text":
            content = content.decode(part.get_content_charset("us-ascii"), "replace").encode()
    parts.append({
        "type": part.get_content_type(), "filename": part.get_filename(),
        "content": base64.b64encode(content).decode()})
json.dump({"headers": [[k, str(v)] for k, v in message.items()], "parts": parts}, sys.stdout)
