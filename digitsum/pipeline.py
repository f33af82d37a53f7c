"""dvc.yaml: its stages, and what each of them reads and writes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from digitsum.errors import InputError, one_line
from digitsum.formats import load_yaml
from digitsum.places import PIPELINE

UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError)


def read_stages() -> dict[str, Any]:
    """The stages of dvc.yaml by name.

    Raises:
        InputError: if dvc.yaml is missing or cannot be read.
    """
    try:
        return stages_of(Path(PIPELINE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{PIPELINE}: no such file; run stages in the folder that has it") from error
    except UNREADABLE as error:
        raise InputError(f"{PIPELINE}: not readable as a pipeline ({one_line(error)})") from error


def require_stage(stage: str) -> None:
    """
    Raises:
        InputError: if dvc.yaml has no such stage, or cannot be read.
    """
    stages = read_stages()
    if stage not in stages:
        raise InputError(f"{PIPELINE}: no stage {stage}, only {', '.join(stages)}; add it before you run it")


def stages_of(pipeline: str) -> dict[str, Any]:
    """The stages of a dvc.yaml by name, from its text."""
    return dict(load_yaml(pipeline)["stages"].items())


def outs_of(stage: Mapping[str, Any]) -> Iterator[str]:
    """The paths that a stage of dvc.yaml writes."""
    for kind in ("outs", "metrics", "plots"):
        for out in stage.get(kind) or []:
            yield out if isinstance(out, str) else next(iter(out))
