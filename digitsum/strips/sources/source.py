"""What a source declares."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from digitsum.params.ingest import IngestParams
from digitsum.params.strip import StripParams
from digitsum.strips.raw import Raw

MNIST_TRAINING, MNIST_TEST = "MNIST's training part", "MNIST's test part"  # collections that several sources draw from


class Script(NamedTuple):
    """How a source writes: the medians over its glyphs, in pixels. `digitsum.reading.fitting` measures both."""

    height: int  # of a digit
    stroke: float  # width of its strokes


@dataclass(frozen=True)
class Source:
    """How to read a source, and what is known about its glyphs.

    `trains_on` and `tests_on` name the collections that may hold the glyphs of training and validation strips, and of
    test strips. A model of one source may have seen the test glyphs of another exactly if the first's `trains_on` and
    the second's `tests_on` overlap.
    """

    title: str
    read: Callable[[IngestParams, StripParams], Raw]  # raises InputError where the source is missing or damaged
    composed: bool  # preprocess composes strips of its glyphs; otherwise the strips arrive whole
    script: Script
    trains_on: frozenset[str]
    tests_on: frozenset[str]
