"""The digest of a folder: SHA-256 of the list that `sha256sum` writes of its files, by path."""

import hashlib
from collections.abc import Mapping


def digest(files: Mapping[str, str]) -> str:
    """The digest of files by relative path, each with its SHA-256 in hex. The same as
    `find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum`."""
    lines = sorted((path.encode(), hexed) for path, hexed in files.items())
    text = b"".join(f"{hexed}  ".encode() + path + b"\n" for path, hexed in lines)
    return f"sha256:{hashlib.sha256(text).hexdigest()}"
