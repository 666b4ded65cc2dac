"""Reads a message from standard input with the parser of Python's own library, and prints what a mail program would see."""

import email
import email.policy
import json
import sys

message = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
parts = [part for part in message.walk() if not part.is_multipart()]
defects = [str(it) for part in message.walk() for it in part.defects]
print(
    json.dumps(
        {
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "count": len(message.items()),
            "type": message.get_content_type(),
            "types": [part.get_content_type() for part in parts],
            "text": parts[0].get_content(),
            "html": parts[1].get_content(),
            "defects": defects,
        }
    )
)
