"""``python -m runtime.config``"""

import sys

from runtime.config.server import run
from runtime.config.settings import Settings
from runtime.web.process import main

if __name__ == "__main__":
    sys.exit(main(Settings, run))
