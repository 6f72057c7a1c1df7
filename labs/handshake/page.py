"""HTTP's part: what of a response has come, and whether it is what the server holds."""

import base64
import hashlib


def parse(data: bytes) -> tuple[str, dict[str, str], bytes]:
    """Return a response's status line, its header fields by lower-case name, and its body so far."""
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    status, *rows = head.decode("latin-1").split("\r\n")
    fields = (row.partition(":") for row in rows)
    return status, {name.lower(): value.strip() for name, _, value in fields}, body


def is_whole(data: bytes) -> bool:
    """Tell whether the body is as long as Content-Length says; without that field only FIN ends it."""
    _, fields, body = parse(data)
    return b"\r\n\r\n" in data and "content-length" in fields and len(body) >= int(fields["content-length"])


def judge(data: bytes) -> bool:
    """Print what came; False if Content-Length or Repr-Digest (RFC 9530) tell of something else."""
    status, fields, body = parse(data)
    digest = hashlib.sha256(body)
    print(f"8. {status}\n   {len(body)} bytes of body, SHA-256 {digest.hexdigest()}")
    told = fields.get("repr-digest")
    same = told == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    same = same and fields.get("content-length") == str(len(body))
    print("   the same as what the server holds:", "yes" if same else "no" if told else "it does not say")
    return same or not told
