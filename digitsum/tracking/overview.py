"""A table of the newest results: what changed, and what came of it."""

import time

from digitsum.tracking.results.changes import changed_params
from digitsum.tracking.rows.recipes import SEEDS
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import Store
from digitsum.tracking.rows.tags import COMMIT, DIRTY, RECIPE_ROW

HEADER = ("result", "when (UTC)", "took", "sums right", "95% interval", "commit", "changed since the row below")


def overview(store: Store, count: int) -> str:
    """The newest results and recipes, newest first; a result is compared with the result that came before it."""
    rows = store.newest(count + 1)
    cells = []
    for number, row in enumerate(rows[:count]):
        before = rows[number + 1] if number + 1 < len(rows) else None
        cells.append((row.start, (*_figures(row), _changes(before, row))))
    for row in store.recipes():
        written = row.end or row.start
        if len(rows) <= count or written >= rows[count].start:
            cells.append((written, (*_figures(row), f"mean of {row.metrics.get(SEEDS, 0):.0f} seeds")))
    lines = [HEADER, *(line for _, line in sorted(cells, reverse=True))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip()
        for line in lines
    )


def _figures(row: Run) -> tuple[str, ...]:
    accuracy, low, high = (row.metrics.get(name) for name in ("accuracy", "accuracy_low", "accuracy_high"))
    commit = row.tags.get(COMMIT, "")[:8] + ("+" if row.tags.get(DIRTY) == "true" else "")
    seconds = "" if RECIPE_ROW in row.tags else f"{row.seconds // 60:.0f}:{row.seconds % 60:02.0f}"
    return (
        row.id[:8],
        time.strftime("%m-%d %H:%M", time.gmtime(row.start / 1000)),
        seconds,
        "" if accuracy is None else f"{accuracy:.2%}",
        "" if low is None or high is None else f"{100 * low:.2f} to {100 * high:.2f}",
        commit,
    )


def _changes(before: Run | None, row: Run) -> str:
    if before is None:
        return "(the first)"
    changed = changed_params(before.params, row.params)
    words = [f"{name} {then or 'unset'} -> {now or 'unset'}" for name, (then, now) in changed.items()]
    return ", ".join(words) or "no param"
