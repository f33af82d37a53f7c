"""Portable arithmetic for the tests and every process that they start, so that all of them compute alike.

conftest.py imports this first: once NumPy and torch are imported, it would be too late. jaxtyping imports NumPy, so its
plugin for pytest is switched off, and the shapes and types of signatures are checked from here on.
"""

import os

from digitsum import arithmetic

if not arithmetic.obstacle():
    arithmetic.apply(os.environ)

from jaxtyping import install_import_hook

install_import_hook("digitsum", "shapes.check")
