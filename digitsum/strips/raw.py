"""The raw data: glyphs or whole strips as their source has them, and a manifest of their origin."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from digitsum.errors import InputError
from digitsum.files import sha256, write_json
from digitsum.formats import read_array, read_json, write_array
from digitsum.strips.dataset import Strips
from digitsum.strips.glyphs import Glyphs

GLYPH_FILES = ("images", "digits", "reserved")


@dataclass(frozen=True)
class Raw:
    """Glyphs to compose strips of, or whole strips. `origin` names the package or the files that they came from."""

    source: str
    content: Glyphs | Strips
    origin: dict[str, Any]


def write(raw: Raw, folder: Path) -> None:
    """Writes the arrays and `manifest.json` into a folder that exists."""
    if isinstance(raw.content, Strips):
        kind: Literal["glyphs", "strips"] = "strips"
        raw.content.write(folder)
    else:
        kind = "glyphs"
        for name in GLYPH_FILES:
            write_array(folder / f"{name}.npy", getattr(raw.content, name))
    checksums = {file.name: sha256(file) for file in sorted(folder.glob("*.npy"))}
    manifest = {
        "source": raw.source,
        "kind": kind,
        "count": len(raw.content),
        "origin": raw.origin,
        "sha256": checksums,
    }
    write_json(folder / "manifest.json", manifest)


def read(folder: Path) -> Raw:
    """The raw data that `write` wrote, memory-mapped.

    Raises:
        InputError: if a file is missing, or differs from its checksum in the manifest.
    """
    manifest = read_json(folder / "manifest.json")
    if not _is_manifest(manifest):
        raise InputError(f"{folder / 'manifest.json'}: not a manifest of raw data; run dvc repro --force ingest")
    for name, checksum in manifest["sha256"].items():
        if not (folder / name).exists() or sha256(folder / name) != checksum:
            raise InputError(
                f"{folder / name}: missing, or changed since it was ingested; run dvc repro --force ingest"
            )
    content: Glyphs | Strips
    if manifest["kind"] == "strips":
        content = Strips.read(folder)
    else:
        content = Glyphs(*(read_array(folder / f"{name}.npy") for name in GLYPH_FILES))
        if not content.is_sound():
            raise InputError(f"{folder}: not glyphs of 28 x 28 pixels with their digits; run dvc repro --force ingest")
    return Raw(manifest["source"], content, manifest["origin"])


def _is_manifest(found: Any) -> bool:
    if not isinstance(found, dict) or not {"source", "kind", "origin", "sha256"} <= found.keys():
        return False
    files = {f"{name}.npy" for name in (GLYPH_FILES if found["kind"] == "glyphs" else ("strips", "sums"))}
    kinds = (
        isinstance(found["source"], str) and found["kind"] in ("glyphs", "strips") and isinstance(found["origin"], dict)
    )
    return kinds and isinstance(found["sha256"], dict) and found["sha256"].keys() == files
