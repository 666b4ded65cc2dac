"""Reads messages with the parser of Python's own library and prints what a mail program would see: a line of JSON for each of
the files named."""

import email
import email.policy
import json
import sys

for file in sys.argv[1:]:
    with open(file, "rb") as source:
        message = email.message_from_binary_file(source, policy=email.policy.default)
    parts = [part for part in message.walk() if not part.is_multipart()]
    seen = {
        "headers": {name.lower(): str(value) for name, value in message.items()},
        "count": len(message.items()),
        "type": message.get_content_type(),
        "types": [part.get_content_type() for part in parts],
        "text": parts[0].get_content(),
        "html": parts[1].get_content(),
        "defects": [str(it) for part in message.walk() for it in part.defects],
    }
    print(json.dumps(seen))
