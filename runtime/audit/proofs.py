"""A proof that travels: an entry's hash, the way to a root, and the checkpoint that was signed."""

import base64
import binascii
from pathlib import Path
from typing import Annotated

from pydantic import Field

from crds.base import Model
from crds.checkpoint import CheckpointError, VerifierKey
from crds.merkle import leaf_hash, verify_inclusion
from runtime.audit import checkpoints, leaves
from runtime.audit.entry import number_of
from runtime.audit.framing import scan
from runtime.audit.segments import mapped
from runtime.audit.tree import Tree
from runtime.audit.verify import Hashes

Hash = Annotated[str, Field(description="32 bytes in base64.")]


class ProofError(Exception):
    """It proves nothing; the message says why."""


class InclusionProof(Model):
    """That an entry is under a signed checkpoint (RFC 9162, 2.1.3)."""

    entry: Annotated[str, Field(description="Id of the entry.")]
    index: Annotated[int, Field(description="Its place in the log, from 0 on.")]
    leaf_hash: Hash
    proof: Annotated[list[Hash], Field(description="The way to the root, from the leaf up.")]
    checkpoint: Annotated[str, Field(description="A signed note with size and root.")]
    key: Annotated[str, Field(description="The public key that signed it.")]

    def check(self, key: str | None) -> int:
        """Check it; returns how many entries the checkpoint covers.

        Args:
            key: the public key that is trusted; None: the one in the proof, which proves less.

        Raises:
            ProofError: it proves nothing.
        """
        try:
            checkpoint = VerifierKey.parse(key or self.key).verify(self.checkpoint)
            leaf = base64.b64decode(self.leaf_hash, validate=True)
            steps = [base64.b64decode(step, validate=True) for step in self.proof]
        except (CheckpointError, binascii.Error) as error:
            raise ProofError(str(error)) from error
        if not verify_inclusion(leaf, self.index, checkpoint.size, steps, checkpoint.root):
            raise ProofError(f"entry {self.index} is not under the root that was signed")
        return checkpoint.size


def prove(folder: Path, entry: str) -> InclusionProof:
    """Make a proof from a copied log, with the last checkpoint in it.

    Raises:
        ProofError: the entry is not there, or nothing is signed.
    """
    try:
        number = number_of(entry)
        key = VerifierKey.parse((folder / checkpoints.KEY_NAME).read_text())
        note = checkpoints.read_notes(folder)[-1]
        size = key.verify(note).size
        hashes = Hashes((folder / leaves.NAME).read_bytes())
    except (ValueError, OSError, IndexError, CheckpointError) as error:
        raise ProofError(str(error) or "nothing is signed here") from error
    if number >= size:
        raise ProofError(f"entry {number} came after the last checkpoint, over {size} entries")
    stored = _payload(folder, number)
    if stored is None or leaf_hash(stored) != hashes.read(number, number + 1):
        raise ProofError(f"entry {number} is not here as it was signed; see fabula audit verify")
    return InclusionProof(
        entry=entry,
        index=number,
        leaf_hash=encoded(leaf_hash(stored)),
        proof=[encoded(step) for step in Tree(hashes).inclusion(number, size)],
        checkpoint=note,
        key=str(key),
    )


def encoded(value: bytes) -> str:
    """Bytes as they stand in a proof."""
    return base64.b64encode(value).decode()


def _payload(folder: Path, number: int) -> bytes | None:
    paths = [path for path in sorted(folder.glob("*.seg")) if int(path.stem) <= number]
    if not paths:
        return None
    with mapped(paths[-1]) as data:
        for at, span in enumerate(scan(data), int(paths[-1].stem)):
            if at == number:
                return span.payload
    return None
