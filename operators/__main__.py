"""`python -m operators`: the operator, until it is told to stop."""

import asyncio
import sys

import structlog
from pydantic import ValidationError

from operators import logs
from operators.access import NoAccessError
from operators.app import main
from operators.settings import Settings


def run() -> int:
    """Exit status: 0 stopped, 1 an unexpected error, 2 wrongly set up."""
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            field = str(fault["loc"][0]).upper() if fault["loc"] else "settings"
            name = field if field in {"settings", "POD_NAME"} else f"FABULA_{field}"
            print(f"{name.replace('FABULA_FABULA_', 'FABULA_')}: {fault['msg']}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level)
    try:
        asyncio.run(main(settings))
    except NoAccessError as error:
        structlog.get_logger(__name__).error("cannot start", why=str(error))
        return 2
    except Exception:
        # A defect of ours. The kubelet starts the next one; the Lease decides who works.
        structlog.get_logger(__name__).exception("ended by an unexpected error")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run())
