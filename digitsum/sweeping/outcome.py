"""What a sweep has found: figures and a note on its row, and a folder with the best recipe, a table and charts."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import yaml
from matplotlib.figure import Figure

from digitsum.files import write_text
from digitsum.recipes import nested
from digitsum.sweeping.study import EPOCHS, Study, is_pruned
from digitsum.tracking.rows.store import Store
from digitsum.tracking.rows.sweeps import describe_sweep, trials_of, values_of


def write_outcome(store: Store, row: str, study: Study, folder: Path | None = None) -> str:
    """Bring the row of a sweep up to date, and return the outcome in words, with the commands that go on from it.

    Args:
        folder: for files that the row gets as well, once the sweep ends; None while it goes on.
    """
    ended, best, objective = study.ended, study.best, study.space.sweep.objective
    shares = study.importance() if folder is not None else {}
    figures = {"trials": float(len(ended)), "pruned": float(sum(map(is_pruned, ended)))}
    figures |= {f"importance.{key}": share for key, share in shares.items()}
    if best is not None and best.value is not None:
        figures[objective] = best.value
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        _write_files(study, shares, folder)
    lines = list(_lines(store, study, shares, folder))
    # indented, so that Markdown keeps the lines
    describe_sweep(store, row, figures, "\n".join(f"    {line}" for line in lines), folder)
    return "\n".join([*lines, f"mlflow    sweep {study.space.name}, run {row}"])


def _write_files(study: Study, shares: Mapping[str, float], folder: Path) -> None:
    space = study.space
    table = pd.DataFrame(
        {
            "trial": trial.number,
            **space.values(trial.params),
            space.sweep.objective: trial.value,
            "epochs": trial.user_attrs.get(EPOCHS),
            "pruned": is_pruned(trial),
        }
        for trial in study.ended
    )
    write_text(folder / "trials.csv", table.to_csv(index=False, lineterminator="\n"))
    if study.best is not None:
        recipe = yaml.safe_dump(nested(space.values(study.best.params)), sort_keys=False)
        head = f"# Trial {study.best.number} of the sweep {space.name}, chosen by {space.sweep.objective}:\n"
        note = f"# {study.best.value:.4f} on the validation strips. New seeds may do worse.\n\n"
        write_text(folder / "best.yaml", head + note + recipe)
    if shares:
        draw_importance(shares, space.sweep.objective).savefig(folder / "importance.png", dpi=120)
        study.draw_parallel(folder / "parallel.png")


def draw_importance(shares: Mapping[str, float], objective: str) -> Figure:
    """A bar for each param."""
    figure = Figure(figsize=(7, 1.2 + 0.35 * len(shares)), layout="constrained")
    axes = figure.add_subplot()
    names = list(shares)[::-1]
    axes.barh(names, [shares[name] for name in names], color="#2a9d6a")
    axes.set(xlabel=f"share of the variance of {objective} (fANOVA)", xlim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _lines(store: Store, study: Study, shares: Mapping[str, float], folder: Path | None) -> Iterator[str]:
    space, ended, best = study.space, study.ended, study.best
    pruned = sum(map(is_pruned, ended))
    yield f"sweep     {space.name}: {len(ended)} of {space.sweep.trials} trials ended, {pruned} of them pruned"
    if best is None:
        return
    values = space.values(best.params)
    listed = ", ".join(f"{key} {value}" for key, value in values.items())
    yield f"best      trial {best.number}, {space.sweep.objective} {best.value:.4f}: {listed}"
    if shares:
        each = ", ".join(f"{key} {share:.0%}" for key, share in shares.items())
        yield f"matters   {each}, of the variance of {space.sweep.objective}"
    if folder is not None:
        yield f"use       python -m digitsum use {folder / 'best.yaml'}"
    row = next((row for row in trials_of(store, study.key) if values_of(row) == values), None)
    if row is not None:  # nobody deleted it in MLflow
        yield f"again     python -m digitsum replicate {row.id[:8]} --seeds 5, since the best of many is partly luck"
