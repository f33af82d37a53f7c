"""Runs one recipe with several seeds, as DVC experiments, and writes the row of the recipe."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from digitsum.errors import InputError
from digitsum.formats import load_yaml
from digitsum.judging.experiments import row_of_experiment
from digitsum.judging.seeds import SEED, figures_over_seeds, rows_by_seed, rows_of_sweeps
from digitsum.places import PARAMS
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.occurrences import recipe_of_workspace
from digitsum.tracking.results.result import Result
from digitsum.tracking.rows.contents import Contents
from digitsum.tracking.rows.recipes import write_recipe
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import opened
from digitsum.tracking.sync import sync

VALIDATION = "val_accuracy"


def replicate(contents: Contents, result: Result | None, seeds: Sequence[int] | int) -> str:
    """Runs what has no row yet; returns a summary.

    A seed with which a sweep chose the recipe is left out, since chance may have helped it.

    Args:
        result: whose params are run; None takes params.yaml.
        seeds: the seeds, or how many, counted from the seed that the params have, or the first after a sweep's.

    Raises:
        InputError: if code or data are not those of the result, or a run fails. What ran before is kept.
    """
    given = load_yaml(Path(PARAMS).read_text(encoding="utf-8"))
    params = given if result is None else result.params
    if result is None:
        recipe = recipe_of_workspace()
    else:
        require_sources(result)
        recipe = result.recipe
    changes = dict(_differences(given, params))
    sync(contents)
    with opened() as store:
        chosen = rows_of_sweeps(store, recipe)
    wanted = _wanted(seeds, int(params["train"]["seed"]), chosen)

    def find(seed: int) -> Run | None:
        with opened() as store:
            return rows_by_seed(store, recipe).get(str(seed))

    def find_new(seed: int) -> Run | None:
        sync(contents)
        return find(seed)

    for number, seed in enumerate(wanted, 1):
        done = find(seed) is not None
        print(f"replicate: seed {seed}, {number} of {len(wanted)}{': has a row' if done else ''}", flush=True)
        if not done:
            name = f"replicate-{recipe[:8]}-seed-{seed}"
            row_of_experiment(name, changes | {SEED: seed}, partial(find_new, seed))
    with opened() as store:
        rows = rows_by_seed(store, recipe)  # more than wanted, if other seeds were run before
        figures = figures_over_seeds(store, list(rows.values()))
        mean, spread = figures["accuracy"], figures["accuracy_sd"]
        name = f"recipe {recipe[:8]} {mean:.2%} \N{PLUS-MINUS SIGN} {100 * spread:.2f}, {len(rows)} seeds"
        row = write_recipe(store, recipe, rows, figures, name)
    each = ", ".join(f"{result.metrics['accuracy']:.2%} ({seed})" for seed, result in rows.items())
    lines = [
        f"recipe    {mean:.2%} of the sums right, mean of {len(rows)} seeds (95% interval over seeds and strips "
        f"{figures['accuracy_low']:.2%} to {figures['accuracy_high']:.2%})",
        f"seeds     {each}; standard deviation {100 * spread:.2f} points: gate.seed_sd {spread:.4f}",
        *_validation(chosen, rows),
        f"mlflow    {name}, run {row}",
    ]
    return "\n".join(lines)


def _wanted(seeds: Sequence[int] | int, first: int, chosen: Mapping[str, Run]) -> list[int]:
    """
    Raises:
        InputError: if a sweep chose the recipe with one of the seeds.
    """
    if isinstance(seeds, int):
        start = max([first, *(int(seed) + 1 for seed in chosen)])
        return list(range(start, start + seeds))
    for seed in map(str, seeds):
        if seed in chosen:
            raise InputError(f"seed {seed}: a sweep tried these params with it, so it may be lucky; leave it out")
    return list(seeds)


def _validation(chosen: Mapping[str, Run], rows: Mapping[str, Run]) -> Iterator[str]:
    """What a sweep chose the recipe for, and what became of it with new seeds; no line without a sweep."""
    values = [row.metrics[VALIDATION] for row in rows.values() if VALIDATION in row.metrics]
    for seed, row in chosen.items():
        if VALIDATION in row.metrics and len(values) == len(rows):
            yield (
                f"chosen    for {row.metrics[VALIDATION]:.2%} of the validation sums, with seed {seed}; the new seeds "
                f"have {sum(values) / len(values):.2%}, on average"
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


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The params of `after` that `before` has with other values."""
    for name, value in after.items():
        if isinstance(value, Mapping):
            yield from _differences(before.get(name, {}), value, f"{prefix}{name}.")
        elif before.get(name) != value:
            yield f"{prefix}{name}", value
