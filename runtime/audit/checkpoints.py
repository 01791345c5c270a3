"""The signed checkpoints of a log beside it, the public key, and the private key elsewhere.

The newest are all kept, older ones ever more sparsely: enough to say between which two a record was
changed when even its hash was forged.
"""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from crds.checkpoint import Checkpoint, CheckpointError, VerifierKey, claimed, sign
from runtime.audit.segments import sync_folder

NAME = "checkpoints"
KEY_NAME = "checkpoints.pub"
#: Checkpoints that are kept.
MOST = 256
_END = "\n---\n"


def signing_key(path: Path) -> tuple[Ed25519PrivateKey, str | None]:
    """The key of a log, and what was wrong with the stored one, in words. The first start makes it,
    and so does one that finds it damaged: a story must not end over a signature, and the operator
    reports a changed key. Only the owner may read the file.

    Raises:
        OSError: the volume refused.
    """
    trouble = None
    try:
        found = load_pem_private_key(path.read_bytes(), None)
        if isinstance(found, Ed25519PrivateKey):
            return found, None
        raise ValueError
    except FileNotFoundError:
        pass
    except ValueError:
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        trouble = (
            f"{path.name} held no Ed25519 key; it is set aside as {aside.name} and a new one signs "
            "from here on"
        )
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    replace(path, pem, mode=0o600)
    return key, trouble


class Checkpoints:
    """The history of one log's checkpoints, oldest first."""

    def __init__(self, folder: Path, key: Ed25519PrivateKey) -> None:
        self._folder = folder
        self._key = key
        #: Without what is no note any more: it can prove nothing.
        self._notes = [note for note in read_notes(folder) if _is_note(note)]

    @property
    def latest(self) -> str | None:
        """The last note, if it is one that this key signed."""
        return self._notes[-1] if self._notes and self._ours(self._notes[-1]) else None

    def verifier(self, origin: str) -> VerifierKey:
        """The public key under that origin."""
        return VerifierKey(origin, self._key.public_key().public_bytes_raw())

    def add(self, checkpoint: Checkpoint) -> str:
        """Sign a checkpoint and make it durable; returns the note.

        Raises:
            OSError: the volume refused; the history is as it was.
        """
        note = sign(checkpoint, self._key)
        notes = [*self._notes, note]
        if len(notes) > MOST:
            notes = [*notes[: MOST // 2 : 2], *notes[MOST // 2 :]]
        replace(self._folder / NAME, _END.join([*notes, ""]).encode())
        replace(self._folder / KEY_NAME, f"{self.verifier(checkpoint.origin)}\n".encode())
        self._notes = notes
        return note

    def _ours(self, note: str) -> bool:
        try:
            self.verifier(claimed(note).origin).verify(note)
        except CheckpointError:
            return False
        return True


def _is_note(text: str) -> bool:
    try:
        claimed(text)
    except CheckpointError:
        return False
    return True


def read_notes(folder: Path) -> list[str]:
    """The stored notes, oldest first, whoever signed them."""
    try:
        text = (folder / NAME).read_text(errors="replace")
    except FileNotFoundError:
        return []
    return [note for note in text.split(_END) if note]


def replace(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file as a whole, durably.

    Raises:
        OSError: the volume refused; the file is as it was.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
    sync_folder(path.parent)
