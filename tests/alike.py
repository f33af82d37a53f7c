"""Portable arithmetic for the tests and every process that they start, so that all of them compute alike.

conftest.py imports this first: once NumPy and torch are imported, it would be too late.
"""

import os

from digitsum import arithmetic

if not arithmetic.obstacle():
    arithmetic.apply(os.environ)
