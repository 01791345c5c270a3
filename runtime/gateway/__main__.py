"""``python -m runtime.gateway``"""

import sys

from runtime.gateway.server import run
from runtime.gateway.settings import Settings
from runtime.web.process import main

if __name__ == "__main__":
    sys.exit(main(Settings, run))
