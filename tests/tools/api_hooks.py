"""What schemathesis must know of the API: pieces of an upload are octets as they are."""

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
schemathesis.serializer.alias("message/rfc822", "text/plain")
