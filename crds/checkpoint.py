"""What a log commits to: its size and root, signed. The text is a C2SP tlog-checkpoint inside a
C2SP signed note with an Ed25519 signature, so that other tools read it too."""

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crds.merkle import HASH

#: Longest checkpoint that is read.
MAX_NOTE = 2048
_ED25519 = b"\1"
_NAME = re.compile(r"[^\s+]{1,200}")
_BODY = re.compile(r"([^\s+]{1,200})\n(0|[1-9][0-9]{0,14})\n([A-Za-z0-9+/]{43}=)\n")
_SIGNATURE = re.compile(r"— ([^\s+]{1,200}) ([A-Za-z0-9+/=]{1,200})")


class CheckpointError(Exception):
    """A text is no checkpoint that this key signed; the message says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log as it stood: whose it is, how many entries, their root."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half, with the name that it signs under: the origin of the log."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes by which a signature names its key."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read ``name+id+key``.

        Raises:
            CheckpointError: it is not that.
        """
        name, _, rest = text.removesuffix("\n").partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _decoded(encoded)
        if not _NAME.fullmatch(name) or len(raw) != 1 + HASH or raw[:1] != _ED25519:
            raise CheckpointError("a key is NAME+ID+KEY, with an Ed25519 key in base64")
        key = cls(name, raw[1:])
        if key.key_id.hex() != key_id:
            raise CheckpointError(f"the id of the key of {name} does not fit its bytes")
        return key

    def verify(self, note: str) -> Checkpoint:
        """The checkpoint in a note that this key signed.

        Raises:
            CheckpointError: it is malformed, or not signed by this key.
        """
        checkpoint, signatures = _opened(note)
        if checkpoint.origin != self.name:
            raise CheckpointError(f"the checkpoint is of {checkpoint.origin}, not of {self.name}")
        for name, raw in signatures:
            if name == self.name and raw[:4] == self.key_id:
                public = Ed25519PublicKey.from_public_bytes(self.public)
                try:
                    public.verify(raw[4:], checkpoint.body.encode())
                except InvalidSignature:
                    raise CheckpointError("the signature does not fit the checkpoint") from None
                return checkpoint
        raise CheckpointError(f"there is no signature of {self.name}")


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The signed note of a checkpoint, under its origin."""
    if not _NAME.fullmatch(checkpoint.origin):
        raise ValueError(f"an origin has no spaces and no +, this one is {checkpoint.origin!r}")
    verifier = VerifierKey(checkpoint.origin, key.public_key().public_bytes_raw())
    signature = base64.b64encode(verifier.key_id + key.sign(checkpoint.body.encode())).decode()
    return f"{checkpoint.body}\n— {checkpoint.origin} {signature}\n"


def claimed(note: str) -> Checkpoint:
    """What a note says, whoever signed it.

    Raises:
        CheckpointError: it is malformed.
    """
    return _opened(note)[0]


def _opened(note: str) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    """What a note says, and its signatures: each a name, and the id of a key before the rest."""
    body, blank, rest = note.partition("\n\n")
    match = _BODY.fullmatch(body + "\n")
    if len(note) > MAX_NOTE or not blank or match is None:
        raise CheckpointError("it is no checkpoint: origin, size, root, an empty line, a signature")
    *lines, end = rest.split("\n")
    signatures = [_SIGNATURE.fullmatch(line) for line in lines]
    if end or not all(signatures):
        raise CheckpointError("below the empty line it has something else than signatures")
    checkpoint = Checkpoint(match[1], int(match[2]), _decoded(match[3]))
    return checkpoint, [(found[1], _decoded(found[2])) for found in signatures if found]


def _decoded(text: str) -> bytes:
    """The bytes of a text in base64; none where it is not exactly how they are written."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if base64.b64encode(raw).decode() == text else b""
