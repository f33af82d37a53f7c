"""Promotion: judges a result's model against the champion by the gate, and records the verdict in the registry."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from digitsum.analysis import predictions
from digitsum.errors import InputError, one_line
from digitsum.formats import read_array
from digitsum.judging.decision import Decision, headline
from digitsum.judging.gate import Verdict, judge
from digitsum.judging.seeds import COMPARED, other_seeds
from digitsum.judging.unseen import Split, why_seen
from digitsum.locks import alone
from digitsum.model import prediction
from digitsum.model.architecture import SumModel
from digitsum.model.model_file import read_model
from digitsum.params.gate import GateParams
from digitsum.places import MODEL as MODEL_FILE
from digitsum.places import PREDICTIONS, TEST
from digitsum.strips.dataset import Strips
from digitsum.tracking.find import file_of, find_row, result_of
from digitsum.tracking.rows.models import fetch
from digitsum.tracking.rows.registry import CHAMPION, MODEL, WITHDRAWN, Registry, Version
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import Store

PROMOTION = "promotion"  # the lock
WARM_UP, TIMED = 10, 30  # single strips


class Candidate:
    """A row of MLflow whose model may become champion: its files and its model."""

    def __init__(self, store: Store, row: Run):
        """
        Raises:
            InputError: if the row has no dvc.lock or no model.
        """
        self.store, self.row = store, row
        self.name = f"{row.name} (run {row.id[:8]})"
        if not row.models:
            raise InputError(
                f"{row.id}: the row has no model, since {MODEL_FILE} was missing when it was written; run "
                "dvc pull or dvc repro, and then python -m digitsum sync"
            )
        self.model_id = row.models[0]
        self.result = result_of(store, row)

    def md5(self, path: Path | str) -> str:
        """The checksum of a file that a stage read or wrote.

        Raises:
            InputError: if the row's dvc.lock does not name the file.
        """
        if md5 := self.result.checksum(path):
            return md5
        raise InputError(f"{self.row.id}: the dvc.lock of this row has no {path}, so it cannot be judged")

    @property
    def test_data(self) -> tuple[str, str]:
        """Checksums of the test strips and of their sums."""
        strips, sums = (self.md5(path) for path in TEST)
        return strips, sums

    def test_strips(self) -> Strips:
        with file_of(self.result, TEST[0]) as strips, file_of(self.result, TEST[1]) as sums:
            return Strips.of(np.array(read_array(strips)), np.array(read_array(sums)), self.name)

    def predictions(self, columns: Sequence[str] = predictions.COLUMNS) -> pd.DataFrame:
        with file_of(self.result, PREDICTIONS) as file:
            return predictions.read(file, columns)

    def model(self) -> SumModel:
        """The model, from DVC's storage or else from MLflow.

        Raises:
            InputError: if neither has it.
        """
        try:
            with file_of(self.result, MODEL_FILE) as file:
                return read_model(file)
        except InputError as missing:
            try:
                return read_model(fetch(self.store, self.model_id, str(MODEL_FILE)))
            except (InputError, OSError, ValueError):
                raise InputError(f"models:/{self.model_id}: the model of {self.name} is gone: {missing}") from missing


def promote(
    store: Store,
    what: str,
    gate: GateParams,
    batch_size: int,
    dry_run: bool = False,
    anew: bool = False,
) -> Decision:
    """Judges the model of the result `what` against the champion, or with `anew` by the floors only.

    Nothing changes before the verdict. Then the alias makes the champion, and it changes atomically.

    Raises:
        InputError: if there is no such result, or it cannot be judged.
    """
    registry = Registry(store)
    challenger = Candidate(store, find_row(store, what))
    with alone(PROMOTION):
        while True:
            champion = registry.holder(CHAMPION)
            own = registry.version_of(challenger.model_id)
            if own is not None and champion is not None and own.number == champion.number:
                sentence = f"{challenger.name} is the champion already, as version {own.number} of {MODEL}."
                return Decision(Verdict((), None, ()), "Champion already: nothing to promote", sentence, promoted=True)
            if own is not None and own.tags.get(WITHDRAWN) and not anew:
                raise InputError(
                    f"{challenger.name}: version {own.number} was champion and rolled back; --anew judges it by the "
                    "floors only, as if it were new"
                )
            incumbent = None if champion is None or anew else _candidate_of(store, champion)
            verdict = _judge(challenger, incumbent, gate, batch_size)
            decision = _decided(challenger, verdict, champion, dry_run)
            if dry_run:
                return decision
            version = registry.register(challenger.model_id, challenger.row.id)
            registry.record(version, _record(verdict, challenger, champion, gate), decision.text)
            now = registry.holder(CHAMPION)
            if (now and now.number) != (champion and champion.number):
                continue  # another model was promoted meanwhile: compare with that one
            if verdict.passes:
                registry.crown(version, champion)
            else:
                registry.challenge(version)
            return decision


def rollback(store: Store) -> str:
    """Makes the previous champion the champion again; returns a summary.

    Raises:
        InputError: if there is no previous champion.
    """
    with alone(PROMOTION):
        withdrawn, champion = Registry(store).rollback()
    return (
        f"version {champion.number} (run {champion.run[:8]}) is champion again, and version {withdrawn.number} "
        f"(run {withdrawn.run[:8]}) is withdrawn"
    )


def _candidate_of(store: Store, version: Version) -> Candidate:
    try:
        if (row := store.run(version.run)) is None:
            raise InputError(f"run {version.run} is gone")
        return Candidate(store, row)
    except InputError as error:
        raise InputError(
            f"models:/{MODEL}@{CHAMPION}: version {version.number} cannot be judged ({one_line(error, 120)}); --anew "
            "judges by the floors only"
        ) from error


def _judge(challenger: Candidate, champion: Candidate | None, gate: GateParams, batch_size: int) -> Verdict:
    test, model = challenger.test_strips(), challenger.model()
    theirs = None if champion is None else _predictions_of_champion(champion, challenger, test, model, batch_size)
    latency = single_strip_latency(model, test.images)
    sides = (challenger, champion) if champion else (challenger,)
    mine, *others = (other_seeds(one.store, one.result, challenger.result) for one in sides)
    seeds = mine, (others[0] if others else [])
    return judge(challenger.predictions(), theirs, test.images, model.data.digits, latency, gate, seeds)


def _predictions_of_champion(
    champion: Candidate, challenger: Candidate, test: Strips, model: SumModel, batch_size: int
) -> pd.DataFrame:
    """The champion's predictions for the challenger's test strips: those on record, or new ones for other strips."""
    if champion.test_data != challenger.test_data:
        _require_unseen(champion, challenger)
    else:
        with suppress(InputError):  # the file is gone, or another version wrote it
            return champion.predictions(COMPARED)
    try:
        other = champion.model()
    except InputError as error:
        raise InputError(f"models:/{MODEL}@{CHAMPION}: {error}; --anew judges by the floors only") from error
    if mismatch := other.data.mismatch(model.data):
        name, theirs, ours = mismatch
        raise InputError(
            f"models:/{MODEL}@{CHAMPION}: takes strips with {name} {theirs}, the challenger {ours}, so no data can "
            "judge both; --anew judges by the floors only"
        )
    return predict_table(other, test, batch_size)


def _require_unseen(champion: Candidate, challenger: Candidate) -> None:
    """
    Raises:
        InputError: if the champion may have learned from these test strips.
    """
    theirs, ours = (Split.of(one.result.params, one.result.checksum) for one in (champion, challenger))
    if reason := why_seen(theirs, ours):
        raise InputError(
            f"models:/{MODEL}@{CHAMPION}: {reason}, so the champion may have learned from these test strips; "
            "--anew judges by the floors only"
        )


def predict_table(model: SumModel, strips: Strips, batch_size: int) -> pd.DataFrame:
    """The columns of a table of predictions that comparisons need."""
    log_probability = prediction.predict(model, strips.images, batch_size).log_probability
    columns = {
        "sum": strips.sums,
        "predicted": log_probability.argmax(axis=1),
        "probability": np.exp(log_probability.max(axis=1)),
    }
    return pd.DataFrame(columns)


def single_strip_latency(model: SumModel, images: np.ndarray) -> float:
    """Milliseconds for a single strip: the lower quartile, since other work on the machine slows some of them."""
    times = []
    for number in range(WARM_UP + TIMED):
        started = time.perf_counter()
        prediction.predict(model, images[number % len(images)][None])
        times.append(time.perf_counter() - started)
    return 1000 * float(np.quantile(times[WARM_UP:], 0.25))


def _decided(challenger: Candidate, verdict: Verdict, champion: Version | None, dry_run: bool) -> Decision:
    become = ("would " if dry_run else "") + ("become" if verdict.passes else "not become")
    if not dry_run:
        become = "becomes" if verdict.passes else "does not become"
    place = f"champion in place of version {champion.number}" if champion is not None else "the first champion"
    alone = "the first model" if champion is None else "judged by the floors only"
    words = headline(verdict, challenger.row.metrics.get("accuracy"), alone, dry_run)
    return Decision(verdict, words, f"{challenger.name} {become} {place}.", verdict.passes)


def _record(verdict: Verdict, challenger: Candidate, champion: Version | None, gate: GateParams) -> dict[str, Any]:
    return {
        "passes": verdict.passes,
        "run": challenger.row.id,
        "against": None if champion is None or verdict.comparison is None else str(champion.number),
        "test_data": challenger.test_data[0],
        "comparison": verdict.comparison and asdict(verdict.comparison),
        "recipes": verdict.recipes and asdict(verdict.recipes),
        "checks": [asdict(check) for check in verdict.checks],
        "broken_slices": list(verdict.broken_slices),
        "gate": gate.model_dump(),
    }
