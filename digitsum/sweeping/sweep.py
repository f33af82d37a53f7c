"""Tries values of params, each as a DVC experiment, and chooses by validation."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from digitsum.errors import InputError
from digitsum.judging.experiments import FailedError, StoppedError, row_of_experiment
from digitsum.judging.seeds import SEED
from digitsum.places import PARAMS
from digitsum.progress import say
from digitsum.recipes import merged, nested
from digitsum.sweeping.curve import by_percent, live, recorded
from digitsum.sweeping.outcome import write_outcome
from digitsum.sweeping.space import Space, Value
from digitsum.sweeping.storage import patiently
from digitsum.sweeping.study import CODE, Study, Trial
from digitsum.tracking.results.checksums import digest
from digitsum.tracking.results.dvc_files import flat
from digitsum.tracking.results.occurrences import recipe_of_workspace
from digitsum.tracking.rows.contents import Contents
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import StoreError, opened
from digitsum.tracking.rows.sweeps import add_pruned, add_trial, begin_sweep, trials_of, values_of
from digitsum.tracking.rows.tags import PRUNED, RECIPE
from digitsum.tracking.sync import sync

FOLDER = Path("reports/sweeps")
IN_A_ROW = 3  # trials that fail, one after another, end the sweep
PROPOSALS = 100  # without a new one, after which all values count as tried


def sweep(contents: Contents, space: Space, hours: float | None) -> str:
    """Runs trials until there are as many as the file says; returns a summary.

    Args:
        hours: after which no trial begins; None for no limit.

    Raises:
        InputError: if the storage has another sweep of this name, params or code change meanwhile, or trial after trial
            fails. What ran is kept.
    """
    until = time.monotonic() + 3600 * hours if hours is not None else None
    sync(contents)
    base = common(space)
    worker = Worker(contents, Study(space, base))
    worker.adopt()
    failed = old = 0
    while until is None or time.monotonic() < until:
        trial = worker.study.ask()
        if trial is None:
            break
        if fault := worker.fault(trial):
            trial.fail(fault)
            old += 1
            if old == PROPOSALS:
                say(f"sweep: none of {PROPOSALS} proposals is new and valid; widen the ranges, or lower `trials`")
                break
            continue
        if common(space) != base:
            raise InputError(
                f"{space.origin}: {PARAMS}, code or data changed while the sweep ran; undo the change and run the same "
                "command to resume, or rename the file to begin another sweep"
            )
        ended_well = patiently(partial(worker.run, trial), (StoreError,))
        old, failed = 0, 0 if ended_well else failed + 1
        if failed == IN_A_ROW:
            raise InputError(
                f"{space.origin}: {failed} trials failed one after another, and their messages are above; fix the "
                "cause, then run the same command to resume"
            )
    with opened() as store:
        return write_outcome(store, worker.row, worker.study, FOLDER / space.name)


def common(space: Space) -> dict[str, str]:
    """What all trials have in common: the params that are not chosen, and a digest of code, data and commands."""
    params = flat(space.given)
    fixed = {key: value for key, value in params.items() if key not in space.distributions}
    return {**fixed, CODE: recipe_of_workspace(nested(dict.fromkeys(params)))[:8]}


class Worker:
    """Runs trials of a study."""

    def __init__(self, contents: Contents, study: Study):
        self.contents, self.study, self.space = contents, study, study.space
        with opened(new=True) as store:
            self.row = begin_sweep(store, study.key, f"sweep {self.space.name}", self.space.described())

    def adopt(self) -> None:
        """Add the trials that have rows to a study that lacks them, as when its storage was lost."""
        with opened() as store:
            for row in trials_of(store, self.study.key):
                values = values_of(row)
                if values is not None and (epochs := recorded(store, row, self.space.sweep.objective)):
                    curve = by_percent(epochs, self._epochs(values))
                    self.study.add(values, curve, len(epochs), PRUNED in row.tags)

    def fault(self, trial: Trial) -> str:
        """Why a trial cannot or need not run; empty if it is valid and new."""
        if (same := self.study.same_as(trial.values, trial.number)) is not None:
            return f"the same as trial {same}"
        try:
            self.space.require_valid(trial.values)
        except InputError as error:
            return str(error)
        return ""

    def run(self, trial: Trial) -> bool:
        """Whether the trial has a result or was pruned; otherwise it failed. A result that is there already serves.

        May be cut off anywhere and called again.
        """
        count = self._epochs(trial.values)
        objective, recipe = self.space.sweep.objective, recipe_of_workspace(nested(trial.values))
        experiment = f"{self.space.name}-{digest([self.study.key, trial.values])[:8]}"
        chosen = ", ".join(f"{key} {value}" for key, value in trial.values.items())
        say(f"sweep: trial {trial.number}, {len(self.study.ended) + 1} of {self.space.sweep.trials}: {chosen}")

        def find() -> Run | None:
            sync(self.contents)
            with opened() as store:
                rows = [row for row in store.runs({RECIPE: recipe}) if row.status == "FINISHED"]
                # the row of a commit has no learning curve until somebody pulls or computes the result
                known = (row for row in rows if row.params.get(SEED) == self.space.seed and objective in row.metrics)
                return next(known, None)

        done = 0  # epochs

        def stop() -> bool:
            nonlocal done
            trial.sign()
            epochs = live(experiment, objective)
            if len(epochs) in (0, count):  # another stage runs
                return False
            done = len(epochs)
            return trial.report(by_percent(epochs, count))

        try:
            row = row_of_experiment(experiment, trial.values, find, stop)
            with opened() as store:
                epochs = recorded(store, row, objective)
                add_trial(store, self.row, self.study.key, row, trial.number, trial.values)
                trial.complete(by_percent(epochs, count), len(epochs))
                write_outcome(store, self.row, self.study)
        except StoppedError:
            self._prune(trial, experiment, done, count)
        except FailedError as error:
            say(f"sweep: trial {trial.number} failed: {error}")
            trial.fail()
            return False
        return True

    def _prune(self, trial: Trial, experiment: str, epochs: int, count: int) -> None:
        when = f"after epoch {epochs} of {count}"
        sync(self.contents)
        with opened() as store:
            params = flat(merged(self.space.given, nested(trial.values)))
            add_pruned(store, self.row, self.study.key, trial.number, trial.values, params, experiment, when)
            trial.prune(epochs)
            write_outcome(store, self.row, self.study)
        say(f"sweep: trial {trial.number} pruned {when}, which DVC calls a failure of train")

    def _epochs(self, values: Mapping[str, Value]) -> int:
        return int(merged(self.space.given, nested(values))["train"]["epochs"])
