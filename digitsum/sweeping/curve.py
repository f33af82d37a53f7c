"""The learning curve of a trial: the objective after each epoch, while it trains and afterwards."""

from collections.abc import Sequence

from digitsum.tracking.recording.outbox import parcels
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import Store
from digitsum.tracking.rows.tags import DVC_EXPERIMENT


def live(experiment: str, objective: str) -> list[float]:
    """What the training of a DVC experiment has recorded until now; a resumed one records earlier epochs again."""
    for parcel in reversed(parcels()):
        begin, *events = parcel.events() or [{}]
        if begin.get("name") == "train" and begin["tags"].get(DVC_EXPERIMENT) == experiment:
            values = [event["values"] for event in events if event["kind"] == "metrics"]
            return [float(those[objective]) for those in values if objective in those]
    return []


def recorded(store: Store, row: Run, objective: str) -> list[float]:
    """What the row of a trial has."""
    return [metric.value for metric in sorted(store.history(row.id, objective), key=lambda metric: metric.step)]


def by_percent(epochs: Sequence[float], count: int) -> dict[int, float]:
    """The latest value at every tenth of the training, in percent, which trials of all lengths have in common.

    Args:
        epochs: the value after each epoch that is done.
        count: the epochs of the whole training.
    """
    done = {percent: percent * count // 100 for percent in range(10, 101, 10)}
    return {percent: epochs[epoch - 1] for percent, epoch in done.items() if 1 <= epoch <= len(epochs)}
