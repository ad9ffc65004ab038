"""Plants the bug that PLANT names, if this directory and the program's are in PYTHONPATH.

Python imports it before anything else.
"""

import os

from tests.chaos.plants import PLANTS

PLANTS[os.environ["PLANT"]]()
