"""Whether a log is what was signed: offline, on a copy, with nothing of a gateway running.

It names the first bad entry. Where somebody changed an entry together with its checksum, its number
comes from the hashes that are kept beside, as long as these are the signed ones; where those were
forged too, what can be said honestly is between which two checkpoints the change lies.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from crds.checkpoint import Checkpoint, CheckpointError, VerifierKey
from crds.merkle import HASH, leaf_hash
from runtime.audit import checkpoints, leaves
from runtime.audit.entry import head_of
from runtime.audit.framing import MAGIC, TornError, scan
from runtime.audit.segments import mapped
from runtime.audit.tree import Tree

#: Findings that are kept; there may be one for every entry.
MOST = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written."""

    what: str
    number: int | None = None
    #: The id of the entry, where it can still be read.
    entry: str | None = None
    file: str | None = None
    offset: int | None = None

    def __str__(self) -> str:
        place = [f"entry {self.number}"] if self.number is not None else []
        place += [f"({self.entry})"] if self.entry else []
        place += [f"in {self.file}"] if self.file else []
        place += [f"at byte {self.offset}"] if self.offset is not None else []
        return f"{' '.join(place)}: {self.what}" if place else self.what


@dataclass
class Verdict:
    """What was found."""

    #: Entries that were read, and the number after the last one.
    entries: int = 0
    size: int = 0
    #: Entries before this number were removed by policy, on record.
    removed: int = 0
    #: Checkpoints that hold, and how many entries the largest of them covers.
    checkpoints: int = 0
    signed: int = 0
    key: str | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def first(self) -> Finding | None:
        """The finding about the earliest entry; one that is about none comes last."""
        return min(
            self.findings,
            key=lambda found: (found.number is None, found.number or 0),
            default=None,
        )

    def add(self, finding: Finding) -> None:
        """Take up a finding."""
        if len(self.findings) < MOST:
            self.findings.append(finding)


class Hashes(bytearray):
    """Leaf hashes in memory, for a tree."""

    def __len__(self) -> int:
        return super().__len__() // HASH

    def read(self, start: int, end: int) -> bytes:
        return bytes(self[start * HASH : end * HASH])


@dataclass
class _Walk:
    """The entries as they lie there."""

    verdict: Verdict
    #: The hashes that are kept beside the entries.
    kept: bytes
    #: The hashes of the entries as they are now; the kept one where an entry cannot be read.
    found: Hashes = field(default_factory=Hashes)
    #: Where each entry lies whose hash is not the kept one.
    changed: list[Finding] = field(default_factory=list)
    #: The largest number that an entry of kind Retention excuses.
    excused: int = 0

    def kept_of(self, number: int) -> bytes:
        return self.kept[number * HASH : (number + 1) * HASH]

    def skip_to(self, number: int) -> None:
        """Entries that are not there count as what is kept of them."""
        for missing in range(len(self.found), number):
            self.found += self.kept_of(missing) or bytes(HASH)

    def segment(self, path: Path) -> None:
        """Walk one file."""
        number = len(self.found)
        try:
            with mapped(path) as data:
                if data[: len(MAGIC)] != MAGIC:
                    self.verdict.add(Finding("its first line is not that of a log", file=path.name))
                for span in scan(data):
                    self._entry(path, number, span.start, span.payload)
                    number += 1
        except TornError as error:
            self.verdict.add(
                Finding(
                    "what follows is no whole entry: a write was cut short, or bytes were changed",
                    number,
                    file=path.name,
                    offset=error.offset,
                )
            )
        self.verdict.size = number

    def _entry(self, path: Path, number: int, offset: int, payload: bytes | None) -> None:
        if payload is None:
            what = "its checksum does not fit: bytes were changed"
            self.verdict.add(Finding(what, number, file=path.name, offset=offset))
            self.found += self.kept_of(number) or bytes(HASH)
            return
        self.verdict.entries += 1
        leaf = leaf_hash(payload)
        self.found += leaf
        kept = self.kept_of(number)
        head = head_of(payload)
        entry = head[1] if head else None
        if kept and kept != leaf:
            what = "it is not the entry that was signed"
            self.changed.append(Finding(what, number, entry, path.name, offset))
        if head is None:
            what = "it does not begin as an entry does"
            self.verdict.add(Finding(what, number, None, path.name, offset))
        elif head[2] != number:
            what = f"its id says that it is entry {head[2]}: entries were dropped, added or moved"
            self.verdict.add(Finding(what, number, entry, path.name, offset))
        elif head[0] == "Retention":
            self.excused = max(self.excused, _before(payload))


def verify(
    folder: Path,
    *,
    key: str | None = None,
    notes: Sequence[str] = (),
    roots: Sequence[tuple[int, bytes]] = (),
    only: Iterable[Path] | None = None,
) -> Verdict:
    """Check a folder of segments with everything that lies beside them.

    Args:
        folder: where the log lies. It is only read.
        key: the public key as the Storyteller's status has it. Without it the one in the folder
            is taken, which proves less: who can change the log may change it too.
        notes: checkpoints that were kept elsewhere.
        roots: sizes with their roots, as a Storyteller's status has them.
        only: segments to look at; None: all, and none may be missing.

    Raises:
        OSError: the folder cannot be read.
        CheckpointError: ``key`` is no key.
    """
    verdict = Verdict()
    try:
        kept = (folder / leaves.NAME).read_bytes()
    except FileNotFoundError:
        kept = b""
    walk = _Walk(verdict, kept[: len(kept) // HASH * HASH])
    stored = sorted(folder.glob("*.seg"))
    chosen = None if only is None else {path.resolve() for path in only}
    gaps: list[tuple[int, int]] = []
    for path in stored:
        if chosen is not None and path.resolve() not in chosen:
            continue
        first = int(path.stem)
        if first > len(walk.found):
            gaps.append((len(walk.found), first))
            walk.skip_to(first)
        elif first < len(walk.found):
            verdict.add(Finding(f"it should begin with entry {len(walk.found)}", file=path.name))
        walk.segment(path)
    for start, end in gaps if chosen is None else []:
        if start == 0 and end <= walk.excused:
            verdict.removed = end
        else:
            verdict.add(Finding(f"entries {start} to {end - 1} are missing", start))
    if not stored:
        verdict.add(Finding("there are no segments here"))
    _against_checkpoints(folder, walk, key, notes, roots, partial=chosen is not None)
    return verdict


def _against_checkpoints(
    folder: Path,
    walk: _Walk,
    key: str | None,
    notes: Sequence[str],
    roots: Sequence[tuple[int, bytes]],
    *,
    partial: bool,
) -> None:
    verdict = walk.verdict
    signed = _signed(folder, verdict, key, notes)
    signed += [Checkpoint("status", size, root) for size, root in roots]
    if not signed:
        if key is not None or (folder / checkpoints.NAME).exists():
            verdict.add(Finding("there is no checkpoint that the key signed"))
        verdict.findings.extend(walk.changed[: MOST - len(verdict.findings)])
        return
    signed.sort(key=lambda checkpoint: checkpoint.size)
    present = len(walk.found)
    largest = signed[-1].size
    if present < largest and not partial:
        verdict.add(
            Finding(f"entries {present} to {largest - 1} were signed and are gone", present)
        )
    walk.skip_to(largest)
    now, before = Tree(walk.found), Tree(Hashes(walk.kept))
    holds = [check for check in signed if now.root(check.size) == check.root]
    #: Up to here the kept hashes are the signed ones, so each entry can be held against its own.
    explained = [
        check
        for check in signed
        if check.size <= len(before) and before.root(check.size) == check.root
    ]
    proven = max((check.size for check in explained), default=0)
    good = max((check.size for check in holds), default=0)
    verdict.checkpoints, verdict.signed = len(holds), good
    for found in walk.changed:
        number = found.number or 0
        if number < proven:
            verdict.add(found)
        elif number < good:
            what = "its kept hash was changed; the entry itself is as signed"
            verdict.add(Finding(what, number, found.entry, leaves.NAME, number * HASH))
        else:
            verdict.add(replace(found, what="it is not the entry whose hash is kept"))
    for check in signed:
        if check not in holds and check not in explained:
            sizes = [other.size for other in (*holds, *explained) if other.size < check.size]
            what = (
                f"the root over {check.size} entries is not the one that was signed, and the kept "
                f"hashes are not those either: what was changed lies from here to entry "
                f"{check.size - 1}"
            )
            verdict.add(Finding(what, max(sizes, default=0)))
            break
    if len(before) < good:
        verdict.add(Finding(f"hashes of signed entries are missing in {leaves.NAME}"))


def _signed(
    folder: Path, verdict: Verdict, key: str | None, notes: Sequence[str]
) -> list[Checkpoint]:
    """The checkpoints that the key signed; what else pretends to be one is a finding."""
    if key is None:
        try:
            key = (folder / checkpoints.KEY_NAME).read_text(errors="replace")
        except FileNotFoundError:
            return []
        try:
            verifier = VerifierKey.parse(key)
        except CheckpointError as error:
            verdict.add(Finding(str(error), file=checkpoints.KEY_NAME))
            return []
    else:
        verifier = VerifierKey.parse(key)
    verdict.key = str(verifier)
    found = []
    stored = checkpoints.read_notes(folder)
    for at, note in enumerate([*stored, *notes]):
        try:
            found.append(verifier.verify(note))
        except CheckpointError as error:
            where = checkpoints.NAME if at < len(stored) else None
            verdict.add(Finding(f"checkpoint {at + 1}: {error}", file=where))
    return found


def _before(payload: bytes) -> int:
    try:
        return int(json.loads(payload)["before"])
    except (ValueError, KeyError, TypeError):
        return 0
