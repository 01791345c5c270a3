"""``python -m runtime.config``"""

import sys

from pydantic import ValidationError

from runtime.config.server import run
from runtime.config.settings import Settings
from runtime.logs import configure


def main() -> int:
    """Read the settings and serve."""
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            field = "_".join(str(part) for part in fault["loc"]).upper()
            print(f"FABULA_{field}: {fault['msg']}", file=sys.stderr)
        return 2
    configure(settings.log_level)
    run(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
