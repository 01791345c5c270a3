"""A log that is only read: a copy of a volume, or the volume itself while nobody writes to it."""

from collections.abc import Iterator
from pathlib import Path

from runtime.audit.entry import number_of
from runtime.audit.framing import TornError, scan
from runtime.audit.kinds import Stored, understood
from runtime.audit.sealing import Keys, NoKeys
from runtime.audit.segments import LogDamagedError, mapped
from runtime.audit.subjects import Subjects


class Reader:
    """The entries of a folder, as far as they can be read. Nothing in there is changed."""

    def __init__(self, folder: Path) -> None:
        """Read the segments in a folder. The keys of the players are looked for beside it."""
        self._segments = sorted(folder.glob("*.seg"))
        keys = folder.resolve().with_name("subjects.db")
        self._subjects = Subjects(keys, read_only=True) if keys.exists() else None

    @property
    def has_keys(self) -> bool:
        """Whether words can be read at all."""
        return self._subjects is not None

    @property
    def _keys(self) -> Keys:
        return self._subjects or NoKeys()

    def entries(self, start: int = 0) -> Iterator[Stored]:
        """Every readable entry from that number on."""
        after = [int(path.stem) for path in self._segments[1:]]
        for at, path in enumerate(self._segments):
            if at < len(after) and after[at] <= start:
                continue
            for number, payload in _payloads(path):
                if number >= start:
                    try:
                        yield understood(number, payload, self._keys)
                    except LogDamagedError:
                        continue

    def get(self, entry: str) -> Stored:
        """The entry of that id.

        Raises:
            LookupError: there is none; the message says so.
            LogDamagedError: it cannot be read.
        """
        try:
            number = number_of(entry)
        except ValueError as error:
            raise LookupError(f"{error}; ids look like d-42-9f3c1a7e") from None
        path = next((path for path in reversed(self._segments) if int(path.stem) <= number), None)
        for at, payload in _payloads(path) if path else ():
            if at == number:
                stored = understood(number, payload, self._keys)
                if stored.entry.id == entry:
                    return stored
        raise LookupError(f"there is no entry {entry} here")

    def close(self) -> None:
        """Let go of the keys."""
        if self._subjects is not None:
            self._subjects.close()


def _payloads(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with mapped(path) as data:
            for at, span in enumerate(scan(data)):
                if span.payload is not None:
                    yield int(path.stem) + at, span.payload
    except TornError:
        return  # what follows is being written, or was never finished
