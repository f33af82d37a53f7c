"""Whether a model may have learned from the glyphs or strips that would test it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from digitsum.strips.sources import SOURCES
from digitsum.strips.split import DECIDING_PARAMS, deciding_files


@dataclass(frozen=True)
class Split:
    """How the data of a result were split: their source, and everything that decides which of them are for the test."""

    source: str
    decided_by: Mapping[str, str]  # params with their values, and files with their checksums

    @classmethod
    def of(cls, params: Mapping[str, Any], checksum: Callable[[str], str | None]) -> "Split":
        """
        Args:
            params: the sections of the result.
            checksum: gives the checksum that a file had for the result; None if no stage read or wrote the file.
        """
        source = params["ingest"]["source"]
        values = {name: str(params[section][key]) for name in DECIDING_PARAMS for section, key in [name.split(".")]}
        files = deciding_files(source, source in SOURCES and SOURCES[source].composed)
        return cls(source, values | {file: (checksum(file) or "none")[:8] for file in files})


def why_seen(learned: Split, tested: Split) -> str | None:
    """The reason why a model of `learned` may have seen what tests a model of `tested`; None if it has not seen it."""
    for source in (learned.source, tested.source):
        if source not in SOURCES:
            return f"the source {source} is unknown to this version"
    shared = SOURCES[learned.source].trains_on & SOURCES[tested.source].tests_on
    if not shared:
        return None
    if learned.source != tested.source:
        return (
            f"its training data ({learned.source}) and the challenger's test data ({tested.source}) may both hold "
            f"glyphs of {' and '.join(sorted(shared))}"
        )
    for name, here in tested.decided_by.items():
        if (there := learned.decided_by.get(name)) != here:
            return f"its data were split with {name} {there}, the challenger's with {here}"
    return None
