"""`python -m operators`: the operator, until it is told to stop."""

import asyncio
import sys

from pydantic import ValidationError

from operators import logs
from operators.access import NoAccessError
from operators.app import main
from operators.settings import Settings


def run() -> int:
    """Exit status: 0 stopped, 2 wrongly set up."""
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            name = "_".join(str(part) for part in fault["loc"]).upper()
            print(f"FABULA_{name}: {fault['msg']}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level)
    try:
        asyncio.run(main(settings))
    except NoAccessError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run())
