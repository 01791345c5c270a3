"""Server-sent events as language models send them: one line of JSON each.

Source: WHATWG HTML, section 9.2; of its fields only ``data`` is used by these APIs.
"""

#: No engine sends a line near as long; whoever does, sends something else.
MAX_LINE_BYTES = 256 * 1024


class LineTooLongError(ValueError):
    """A line without end."""


class Events:
    """The data of each event in a stream that arrives in pieces of any size."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the lines that are whole now.

        Raises:
            LineTooLongError: a line has more than MAX_LINE_BYTES.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise LineTooLongError(f"a line has more than {MAX_LINE_BYTES} bytes")
        return [data for line in lines if line.startswith(b"data:") and (data := line[5:].strip())]
