"""The study of a sweep, which several processes and machines may share.

A worker asks for a trial, runs it and reports how it ended. A trial whose worker is gone is asked for again.
"""

import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

import optuna
import psutil
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from digitsum.errors import InputError
from digitsum.locks import alone
from digitsum.sweeping.space import Space, Value
from digitsum.sweeping.storage import AWAY, STORAGE, address, patiently, reason_of, shown
from digitsum.tracking.recording.outbox import Process
from digitsum.tracking.results.checksums import digest

BEAT = 30.0  # seconds between two signs of life of a worker
SILENCE = 900.0  # seconds after which a worker on another machine counts as gone; more than PATIENCE
WARMUP = 25  # percent of its training before which no trial is pruned
UNPRUNED = 4  # trials that must have completed before another one is pruned
CODE = "code or data"  # the name of their digest in the base of a study
SWEEP = "sweep"  # an attribute of the study: what makes it this sweep
WORKER, SEEN, FAULT, EPOCHS = "worker", "seen", "fault", "epochs"  # attributes of a trial
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class Study:
    """The trials of one sweep."""

    def __init__(self, space: Space, base: Mapping[str, str]):
        """
        Args:
            base: what all trials have in common, by name: params that the sweep does not choose, and a digest of the
                code.

        Raises:
            InputError: if the storage cannot be used, or has another sweep of the same name.
        """
        self.space = space
        ranges = {f"the range of {key}": words for key, words in space.described().items()}
        self._sweep = {**base, **ranges, "the objective": space.sweep.objective}
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            self._study = optuna.create_study(
                storage=address(),
                study_name=space.name,
                direction="maximize" if space.sweep.objective == "val_accuracy" else "minimize",
                load_if_exists=True,
                sampler=optuna.samplers.TPESampler(),
                pruner=_pruner(space.sweep.prune),
            )
        except (ArgumentError, ImportError, SQLAlchemyError, RuntimeError, optuna.exceptions.OptunaError) as error:
            reason = reason_of(error)
            raise InputError(
                f"{shown()}: cannot be used ({reason}); set {STORAGE} to a database that this machine reaches and has "
                "the driver for"
            ) from error
        there = patiently(lambda: self._study.user_attrs).get(SWEEP)
        if there is None:
            patiently(lambda: self._study.set_user_attr(SWEEP, self._sweep))
            if (present := space.present()) is not None:  # what the others have to beat
                patiently(lambda: self._study.enqueue_trial(present))
        elif there != self._sweep:
            key = next(key for key in [*self._sweep, *there] if there.get(key) != self._sweep.get(key))
            was, now = (side.get(key, "not there") for side in (there, self._sweep))
            how = "are not those of its commit" if key == CODE else f"was {was}, and now is {now}"
            raise InputError(
                f"{space.origin}: {shown()} has another sweep {space.name}: {key} {how}; undo the change, or rename "
                "the file to begin a new one"
            )

    @property
    def key(self) -> str:
        """The same for the same sweep, in whatever storage."""
        return f"{self.space.name} {digest(self._sweep)[:8]}"

    @property
    def trials(self) -> list[FrozenTrial]:
        return patiently(lambda: self._study.get_trials(deepcopy=False))

    @property
    def ended(self) -> list[FrozenTrial]:
        """Those that ran to their end or were pruned, by their numbers."""
        return [trial for trial in self.trials if trial.state in ENDED]

    @property
    def best(self) -> FrozenTrial | None:
        return patiently(lambda: self._study.best_trial) if any(map(_is_complete, self.trials)) else None

    def ask(self) -> "Trial | None":
        """The next trial; None if all are under way or have ended."""
        with alone(f"sweep-{self.space.name}"):  # no other worker here sees a trial that has no worker yet
            self._bring_back()
            busy = [trial for trial in self.trials if trial.state in (*ENDED, TrialState.RUNNING)]
            if len(busy) >= self.space.sweep.trials:
                return None
            asked = patiently(lambda: self._study.ask(self.space.distributions))
            trial = Trial(asked, self)
            patiently(lambda: asked.set_user_attr(WORKER, asdict(Process.of(psutil.Process()))))
            trial.sign()
            return trial

    def add(self, values: Mapping[str, Value], curve: Mapping[int, float], epochs: int, pruned: bool) -> None:
        """Add a trial that ended, unless it is there; the storage may be a new one."""
        if self.same_as(values) is None:
            trial = optuna.create_trial(
                state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
                value=list(curve.values())[-1],
                params=self.space.proposed(values),
                distributions=self.space.distributions,
                intermediate_values=dict(curve),
                user_attrs={EPOCHS: epochs},
            )
            patiently(lambda: self._study.add_trial(trial))

    def same_as(self, values: Mapping[str, Value], but: int | None = None) -> int | None:
        """The number of another trial with these values that has ended, failed or runs; None if there is none."""
        for trial in self.trials:
            counts = trial.state in (*ENDED, TrialState.RUNNING) or FAULT in trial.user_attrs
            if counts and trial.number != but and self.space.values(trial.params) == dict(values):
                return trial.number
        return None

    def importance(self) -> dict[str, float]:
        """How much of the objective's variance each param explains; empty if too few trials ended to know."""
        if len([trial for trial in self.trials if _is_complete(trial)]) < UNPRUNED:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        with suppress(ValueError, RuntimeError):  # all values are the same
            found = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
            return {name: float(share) for name, share in found.items()}
        return {}

    def draw_parallel(self, path: Path) -> None:
        """Write Optuna's chart of all trials that ran to their end, with an axis for each param."""
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot

        with warnings.catch_warnings(category=optuna.exceptions.ExperimentalWarning, action="ignore"):
            axes = optuna.visualization.matplotlib.plot_parallel_coordinate(
                self._study, target=_value, target_name=self.space.sweep.objective
            )
        figure = axes.get_figure(root=True)
        assert figure is not None
        figure.set_size_inches(9, 5)
        figure.savefig(path, dpi=120, bbox_inches="tight")
        pyplot.close(figure)

    def _bring_back(self) -> None:
        """Let trials be asked for again whose workers are gone."""
        for trial in self.trials:
            if trial.state == TrialState.RUNNING and _is_abandoned(trial):
                if trial.params.keys() == self.space.distributions.keys():
                    patiently(partial(self._study.enqueue_trial, trial.params))
                self.end(trial.number, None, TrialState.FAIL)

    def end(self, number: int, value: float | None, state: TrialState) -> None:
        patiently(lambda: self._study.tell(number, value, state, skip_if_finished=True))


class Trial:
    """A trial of this worker."""

    def __init__(self, asked: optuna.Trial, study: Study):
        self._asked, self._study = asked, study
        self._signed, self._reported = -BEAT, set[int]()
        self.values = study.space.values(asked.params)

    @property
    def number(self) -> int:
        return int(self._asked.number)

    def sign(self) -> None:
        """Let other machines know that this worker is alive, now and then."""
        if time.monotonic() > self._signed + BEAT:
            with suppress(*AWAY):
                self._asked.set_user_attr(SEEN, time.time())
                self._signed = time.monotonic()

    def report(self, curve: Mapping[int, float]) -> bool:
        """Whether the trial, as far as it has come, is one to prune.

        Args:
            curve: the objective by the percentage of training that is done.
        """
        with suppress(*AWAY):  # it may be there the next time
            for percent, value in curve.items():
                if percent not in self._reported:
                    self._asked.report(value, percent)
                    self._reported.add(percent)
            return bool(self._asked.should_prune())
        return False

    def complete(self, curve: Mapping[int, float], epochs: int) -> None:
        self.report(curve)
        patiently(lambda: self._asked.set_user_attr(EPOCHS, epochs))
        self._study.end(self.number, list(curve.values())[-1], TrialState.COMPLETE)

    def prune(self, epochs: int) -> None:
        patiently(lambda: self._asked.set_user_attr(EPOCHS, epochs))
        self._study.end(self.number, None, TrialState.PRUNED)

    def fail(self, fault: str = "") -> None:
        """End the trial without a value. With a fault, no other trial has the same values."""
        if fault:
            patiently(lambda: self._asked.set_user_attr(FAULT, fault))
        self._study.end(self.number, None, TrialState.FAIL)


def _pruner(wanted: bool) -> optuna.pruners.BasePruner:
    return optuna.pruners.MedianPruner(UNPRUNED, WARMUP) if wanted else optuna.pruners.NopPruner()


def _value(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def is_pruned(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.PRUNED


def _is_complete(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE


def _is_abandoned(trial: FrozenTrial) -> bool:
    worker = trial.user_attrs.get(WORKER)
    if worker is not None and Process(**worker).host == Process.of(psutil.Process()).host:
        return not Process(**worker).alive
    seen = trial.user_attrs.get(SEEN) or (trial.datetime_start.timestamp() if trial.datetime_start else 0.0)
    return bool(time.time() > seen + SILENCE)
