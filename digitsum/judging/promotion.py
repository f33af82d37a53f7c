"""Brings a challenger and the champion before the gate, and puts into the registry what it says."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from digitsum.analysis import predictions
from digitsum.errors import InputError
from digitsum.formats import read_array
from digitsum.judging.gate import Verdict, judge
from digitsum.judging.unseen import Split, why_seen
from digitsum.model.architecture import SumModel
from digitsum.params.gate import GateParams
from digitsum.places import MODEL as MODEL_FILE
from digitsum.places import PREDICTIONS, TEST
from digitsum.strips.dataset import Strips
from digitsum.tracking.find import of_row
from digitsum.tracking.recording.outbox import alone
from digitsum.tracking.rows.models import fetch
from digitsum.tracking.rows.registry import CHAMPION, MODEL, WITHDRAWN, Registry
from digitsum.tracking.rows.rows import Rows
from digitsum.tracking.trace import find_row

COMPARED = ("sum", "predicted")  # columns of the predictions
TIMED = 30  # single strips, after some to warm up


@dataclass(frozen=True)
class Decision:
    verdict: Verdict
    text: str  # one paragraph
    promoted: bool  # or, in a dry run, would be


class Candidate:
    """A result with its model, as its row tells it."""

    def __init__(self, client: Any, rows: Rows, row: Any):
        """
        Raises:
            InputError: if the row has no dvc.lock or no model.
        """
        self.client, self.row = client, row
        self.name = f"{row.info.run_name} (run {row.info.run_id[:8]})"
        models = rows.models_of(row)
        if not models:
            raise InputError(
                f"{row.info.run_id}: the row has no model, since {MODEL_FILE} was not at hand when it was made; "
                "dvc pull and then python -m digitsum sync add it"
            )
        self.model_id = models[0]

        self.result = of_row(client, row)

    def md5(self, path: Path | str) -> str:
        """Of a file that a stage read or made.

        Raises:
            InputError: if dvc.lock of the row does not have it.
        """
        if md5 := self.result.checksum(path):
            return md5
        raise InputError(f"{self.row.info.run_id}: dvc.lock of this row has no {path}; it cannot be judged")

    @property
    def test_data(self) -> tuple[str, str]:
        strips, sums = (self.md5(path) for path in TEST)
        return strips, sums

    def test_strips(self) -> Strips:
        with self.result.file(TEST[0]) as strips, self.result.file(TEST[1]) as sums:
            return Strips(np.array(read_array(strips)), np.array(read_array(sums)))

    def predictions(self, columns: Sequence[str] = predictions.COLUMNS) -> pd.DataFrame:
        with self.result.file(PREDICTIONS) as file:
            return predictions.read(file, columns)

    def model(self) -> SumModel:
        """From DVC's storage, or else from MLflow.

        Raises:
            InputError: if it is in neither.
        """
        from mlflow.exceptions import MlflowException

        try:
            with self.result.file(str(MODEL_FILE)) as file:
                return SumModel.read(file)
        except InputError as missing:
            try:
                return SumModel.read(fetch(self.client, [self.model_id], str(MODEL_FILE), self.name))
            except (MlflowException, OSError, ValueError):
                raise InputError(f"models:/{self.model_id}: the model of {self.name} is gone: {missing}") from missing


def promote(
    client: Any,
    experiment: str,
    what: str,
    gate: GateParams,
    batch_size: int,
    dry_run: bool = False,
    anew: bool = False,
) -> Decision:
    """Judges a result's model against the champion; `anew` asks for the floors alone.

    Nothing is changed before the verdict is known, and then only the alias makes a champion, and it changes at once.

    Raises:
        InputError: if there is nothing to judge, or it cannot be judged.
    """
    rows, registry = Rows(client, experiment), Registry(client)
    challenger = Candidate(client, rows, find_row(rows, client, what))
    with alone("promoting"):
        while True:
            champion = registry.holder(CHAMPION)
            own = registry.version_of(challenger.model_id)
            if own is not None and champion is not None and own.version == champion.version:
                text = f"{challenger.name} is the champion already, as version {own.version} of {MODEL}."
                return Decision(Verdict((), None, ()), text, promoted=True)
            if own is not None and own.tags.get(WITHDRAWN) and not anew:
                raise InputError(
                    f"{challenger.name}: version {own.version} was champion and rolled back; --anew judges it by the "
                    "floors alone, as if it were new"
                )
            incumbent = None if champion is None or anew else _candidate_of(client, rows, champion)
            verdict = _judge(challenger, incumbent, gate, batch_size)
            text = _paragraph(challenger.name, verdict, champion, dry_run)
            if dry_run:
                return Decision(verdict, text, verdict.passes)
            version = registry.register(challenger.model_id, challenger.row.info.run_id)
            registry.record(version, _record(verdict, challenger, champion, gate), text)
            now = registry.holder(CHAMPION)
            if (now and now.version) != (champion and champion.version):
                continue  # another was promoted meanwhile, so it is that one to compare with
            if verdict.passes:
                registry.crown(version, champion)
            else:
                registry.challenge(version)
            return Decision(verdict, text, verdict.passes)


def rollback(client: Any) -> str:
    """
    Raises:
        InputError: if there is nothing to go back to.
    """
    with alone("promoting"):
        withdrawn, champion = Registry(client).rollback()
    return (
        f"version {champion.version} (run {champion.run_id[:8]}) is champion again, and version {withdrawn.version} "
        f"(run {withdrawn.run_id[:8]}) withdrawn"
    )


def _candidate_of(client: Any, rows: Rows, version: Any) -> Candidate:
    from mlflow.exceptions import MlflowException

    try:
        return Candidate(client, rows, client.get_run(version.run_id))
    except (MlflowException, InputError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"models:/{MODEL}@{CHAMPION}: version {version.version} cannot be judged ({reason}); "
            "--anew asks for the floors alone"
        ) from error


def _judge(challenger: Candidate, champion: Candidate | None, gate: GateParams, batch_size: int) -> Verdict:
    test, model = challenger.test_strips(), challenger.model()
    table = challenger.predictions()
    there = None
    if champion is not None:
        there = _predictions_on(champion, challenger, test, model, batch_size)
    return judge(table, there, test.images, model.data.digits, single_strip_latency(model, test.images), gate)


def _predictions_on(
    champion: Candidate, challenger: Candidate, test: Strips, model: SumModel, batch_size: int
) -> pd.DataFrame:
    """The champion's on the challenger's test strips: those it had, or if those were of other strips, new ones."""
    if champion.test_data != challenger.test_data:
        _require_unseen(champion, challenger)
    else:
        with suppress(InputError):  # gone, or written by other code
            return champion.predictions(COMPARED)
    try:
        other = champion.model()
    except InputError as error:
        raise InputError(f"models:/{MODEL}@{CHAMPION}: {error}; --anew asks for the floors alone") from error
    if mismatch := other.data.mismatch(model.data):
        name, theirs, ours = mismatch
        raise InputError(
            f"models:/{MODEL}@{CHAMPION}: takes strips with {name} {theirs}, the challenger {ours}, so that no "
            "data can judge both; --anew asks for the floors alone"
        )
    return predict(other, test, batch_size)


def _require_unseen(champion: Candidate, challenger: Candidate) -> None:
    """
    Raises:
        InputError: if the champion may have learned from the challenger's test strips.
    """
    theirs, ours = (Split.of(one.result.params, one.result.checksum) for one in (champion, challenger))
    if reason := why_seen(theirs, ours):
        raise InputError(
            f"models:/{MODEL}@{CHAMPION}: {reason}, so the champion may have learned from these test strips; "
            "--anew judges by the floors only"
        )


def predict(model: SumModel, strips: Strips, batch_size: int) -> pd.DataFrame:
    """A table of predictions as far as comparisons need it."""
    log_probability = model.predict(strips.images, batch_size).log_probability
    columns = {
        "sum": strips.sums,
        "predicted": log_probability.argmax(axis=1),
        "probability": np.exp(log_probability.max(axis=1)),
    }
    return pd.DataFrame(columns)


def single_strip_latency(model: SumModel, images: np.ndarray) -> float:
    """Milliseconds that one strip takes: the lower quartile, so that other work on the machine counts little."""
    times = []
    for number in range(TIMED + TIMED // 3):
        started = time.perf_counter()
        model.predict(images[number % len(images)][None])
        times.append(time.perf_counter() - started)
    return 1000 * float(np.quantile(times[TIMED // 3 :], 0.25))


def _paragraph(name: str, verdict: Verdict, champion: Any | None, dry_run: bool) -> str:
    become = ("would " if dry_run else "") + ("become" if verdict.passes else "not become")
    if not dry_run:
        become = "becomes" if verdict.passes else "does not become"
    place = f"champion in place of version {champion.version}" if champion is not None else "the first champion"
    return f"{name} {become} {place}. {verdict}"


def _record(verdict: Verdict, challenger: Candidate, champion: Any | None, gate: GateParams) -> dict[str, Any]:
    return {
        "passes": verdict.passes,
        "run": challenger.row.info.run_id,
        "against": None if champion is None or verdict.comparison is None else str(champion.version),
        "test_data": challenger.test_data[0],
        "comparison": verdict.comparison and asdict(verdict.comparison),
        "checks": [asdict(check) for check in verdict.checks],
        "broken_slices": list(verdict.broken_slices),
        "gate": gate.model_dump(),
    }
