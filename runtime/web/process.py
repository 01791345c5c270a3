"""A server as a process: its settings come from the environment, and what is wrong with them is
told by the name of the variable."""

import sys
from collections.abc import Callable
from typing import Protocol, TypeVar

from pydantic import ValidationError

from runtime.logs import configure


class Logging(Protocol):
    """Settings that say how much is logged."""

    @property
    def log_level(self) -> str:
        """The least that is logged."""


Settings = TypeVar("Settings", bound=Logging)


def main(read: Callable[[], Settings], run: Callable[[Settings], None]) -> int:
    """Read the settings and serve; the status to end with."""
    try:
        settings = read()
    except ValidationError as error:
        for fault in error.errors():
            field = "_".join(str(part) for part in fault["loc"]).upper()
            sys.stderr.write(f"FABULA_{field}: {fault['msg']}\n")
        return 2
    configure(settings.log_level)
    run(settings)
    return 0
