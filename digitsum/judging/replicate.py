"""Runs one recipe with several seeds, as DVC experiments, and writes the row of the recipe."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from digitsum.errors import InputError
from digitsum.formats import load_yaml
from digitsum.judging.seeds import SEED, figures_over_seeds, rows_by_seed
from digitsum.places import EXTERNAL, PARAMS
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.dvc_files import experiments
from digitsum.tracking.results.occurrences import recipe_of_workspace
from digitsum.tracking.results.result import Result
from digitsum.tracking.rows.contents import Contents
from digitsum.tracking.rows.recipes import write_recipe
from digitsum.tracking.rows.store import opened
from digitsum.tracking.sync import sync

UNTRACKED = (EXTERNAL, Path("data/initial"))  # folders of inputs that git ignores


def replicate(contents: Contents, result: Result | None, seeds: Sequence[int] | int) -> str:
    """Runs what has no row yet; returns a summary.

    Args:
        result: whose params are run; None takes params.yaml.
        seeds: the seeds, or how many, counted from the seed that the params have.

    Raises:
        InputError: if code or data are not those of the result, or a run fails. What ran before is kept.
    """
    given = load_yaml(Path(PARAMS).read_text(encoding="utf-8"))
    params = given if result is None else result.params
    first = int(params["train"]["seed"])
    wanted = list(range(first, first + seeds)) if isinstance(seeds, int) else list(seeds)
    if result is None:
        recipe = recipe_of_workspace()
    else:
        require_sources(result)
        recipe = result.recipe
    changes = dict(_differences(given, params))
    sync(contents)
    for number, seed in enumerate(wanted, 1):
        with opened() as store:
            done = str(seed) in rows_by_seed(store, recipe)
        print(f"replicate: seed {seed}, {number} of {len(wanted)}{': has a row' if done else ''}", flush=True)
        if not done:
            run_experiment(f"replicate-{recipe[:8]}-seed-{seed}", changes | {SEED: seed})
            sync(contents)
    with opened() as store:
        rows = rows_by_seed(store, recipe)  # more than wanted, if other seeds were run before
        if missing := [seed for seed in map(str, wanted) if seed not in rows]:
            raise InputError(
                f"seed {missing[0]}: its result has no row of this recipe; code or params changed meanwhile, or "
                "somebody deleted the row in MLflow: run the command again"
            )
        figures = figures_over_seeds(store, list(rows.values()))
        mean, spread = figures["accuracy"], figures["accuracy_sd"]
        name = f"recipe {recipe[:8]} {mean:.2%} \N{PLUS-MINUS SIGN} {100 * spread:.2f}, {len(rows)} seeds"
        row = write_recipe(store, recipe, rows, figures, name)
    each = ", ".join(f"{result.metrics['accuracy']:.2%} ({seed})" for seed, result in rows.items())
    return (
        f"recipe    {mean:.2%} of the sums right, mean of {len(rows)} seeds (95% interval over seeds and strips "
        f"{figures['accuracy_low']:.2%} to {figures['accuracy_high']:.2%})\n"
        f"seeds     {each}; standard deviation {100 * spread:.2f} points: gate.seed_sd {spread:.4f}\n"
        f"mlflow    {name}, run {row}"
    )


def require_sources(result: Result) -> None:
    """
    Raises:
        InputError: if code or outside data are not those that the result was made of.
    """
    for path, md5 in result.sources.items():
        if not Path(path).exists() or checksum(Path(path)) != md5:
            raise InputError(
                f"{path}: missing, or not what {result.name} was made of; check out its commit, or bring the file back"
            )


def run_experiment(name: str, changes: Mapping[str, Any]) -> None:
    """Runs the pipeline beside the workspace, or restores what DVC's cache has of it.

    Raises:
        InputError: if a stage fails or is interrupted; the same command goes on.
    """
    dvc = [sys.executable, "-m", "dvc"]
    here = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    if name in {other for _, other in experiments()}:  # its row is gone
        subprocess.run([*dvc, "exp", "remove", "--quiet", name], env=here, check=True)
    words = ["exp", "run", "--temp", "--name", name]
    for key, value in changes.items():
        words += ["--set-param", f"{key}={json.dumps(value)}"]
    for folder in UNTRACKED:
        if any(file.suffix != ".md" for file in folder.glob("*")):
            words += ["--copy-paths", str(folder)]
    done = subprocess.run([*dvc, *words], env=here, check=False)
    if done.returncode:
        raise InputError(
            f"{name}: dvc exp run failed with exit code {done.returncode}; its messages are above. The same command "
            "goes on where it ended"
        )


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The params of `after` that `before` has with other values."""
    for name, value in after.items():
        if isinstance(value, Mapping):
            yield from _differences(before.get(name, {}), value, f"{prefix}{name}.")
        elif before.get(name) != value:
            yield f"{prefix}{name}", value
