"""Sweeps: real Optuna, real dvc, real MLflow, real PostgreSQL."""

import gc
import json
import os
import re
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import optuna
import pytest
import yaml
from conftest import ROOT, change
from optuna.trial import TrialState
from shell import call
from tracked import ON, begin, children, digitsum, experiments, stage_runs, store, wait_until_training

from digitsum.commands._models import row_contents
from digitsum.errors import InputError
from digitsum.sweeping import storage
from digitsum.sweeping import study as studies
from digitsum.sweeping.curve import by_percent
from digitsum.sweeping.space import Space
from digitsum.sweeping.storage import STORAGE, patiently
from digitsum.sweeping.study import Study
from digitsum.sweeping.sweep import Worker, common
from digitsum.sweeping.sweep_file import Range
from digitsum.tracking.rows.tags import PARENT, PRUNED, RESTORED, RESULT, SWEEP, SWEEP_ROW, TRIAL

RATES = {"train.learning_rate": {"low": 0.001, "high": 0.1, "log": True}, "train.dropout": {"choices": [0.0, 0.1]}}


def write(folder: Path, params: dict, name: str = "rates", **others: object) -> Path:
    (folder / "sweeps").mkdir(exist_ok=True)
    file = folder / "sweeps" / f"{name}.yaml"
    file.write_text(yaml.safe_dump({"params": params, **others}))
    return file


def trial_rows() -> list:
    client, experiment = store()
    return list(client.search_runs([experiment], f"tags.`{SWEEP}` != ''", order_by=["start_time ASC"]))


def sweep_row() -> Any:
    client, experiment = store()
    (row,) = client.search_runs([experiment], f"tags.`{SWEEP_ROW}` != ''")
    return row


# what a file may say


def test_a_space_has_the_types_and_the_values_of_params(project: Path) -> None:
    space = Space.read(
        write(
            project,
            {
                "train.learning_rate": {"low": 0.001, "high": 0.1, "log": True},
                "train.epochs": {"low": 1, "high": 9, "step": 2},
                "train.recompose.cut_at": {"choices": [[0.25], [0.25, 0.5]]},
                "model.head": {"choices": ["columns", "slots"]},
            },
        )
    )
    asked = optuna.create_study().ask(space.distributions)
    values = space.values(asked.params)
    space.require_valid(values)
    assert values["train.epochs"] in (1, 3, 5, 7, 9)
    assert values["train.recompose.cut_at"] in ([0.25], [0.25, 0.5])
    rate = values["train.learning_rate"]
    assert rate == float(f"{rate:.4g}"), "a number that a person can copy"
    assert space.values(space.proposed(values)) == values


def test_rounding_stays_within_the_range(project: Path) -> None:
    space = Space.read(write(project, {"train.learning_rate": {"low": 0.0123456, "high": 0.0123458}}))
    for proposed in (0.0123456, 0.0123457, 0.0123458):
        assert 0.0123456 <= space.values({"train.learning_rate": proposed})["train.learning_rate"] <= 0.0123458


BAD = {
    "unknown-param": (
        {"train.rate": {"low": 1, "high": 2}},
        "no param train.rate in params.yaml; the keys there are seed",
    ),
    "unknown-section": ({"training.epochs": {"low": 1, "high": 2}}, "no section `training`"),
    "beyond-a-param": ({"train.epochs.few": {"low": 1, "high": 2}}, "no param train.epochs.few"),
    "section": ({"train.augment": {"low": 1, "high": 2}}, "train.augment is a section; name one of"),
    "empty-range": ({"train.learning_rate": {"low": 0.1, "high": 0.01}}, "the range from 0.1 to 0.01 is empty"),
    "one-value": ({"train.learning_rate": {"low": 0.1, "high": 0.1}}, "the range from 0.1 to 0.1 is empty"),
    "outside": ({"train.dropout": {"low": 0.5, "high": 1.0}}, "`train.dropout` is 1.0; input should be less than 1"),
    "outside-choice": ({"train.epochs": {"choices": [0, 3]}}, "`train.epochs` is 0; input should be greater"),
    "wrong-type": (
        {"train.epochs": {"low": 1, "high": 2.5}},
        "train.epochs takes whole numbers; make low, high and step whole",
    ),
    "no-number": ({"model.head": {"low": 1, "high": 2}}, "model.head is not a number; list its values under `choices`"),
    "no-logarithm": ({"train.dropout": {"low": 0.0, "high": 0.5, "log": True}}, "low is 0, which has no logarithm"),
    "log-and-step": ({"train.epochs": {"low": 1, "high": 9, "log": True, "step": 2}}, "log or step, not both"),
    "half-a-step": ({"train.dropout": {"low": 0.0, "high": 0.5, "step": 0.2}}, "0 to 0.5 is 2.5 steps of 0.2"),
    "long-step": ({"train.epochs": {"low": 1, "high": 2, "step": 5}}, "1 to 2 is 0.2 steps of 5"),
    "one-choice": ({"train.dropout": {"choices": [0.1]}}, "at least 2 items"),
    "choice-twice": ({"train.dropout": {"choices": [0.1, 0.2, 0.1]}}, "a choice is there twice"),
    "neither": ({"train.dropout": {"min": 0.1, "max": 0.2}}, "`train.dropout` has neither low and high"),
    "extra": ({"train.dropout": {"low": 0.1, "high": 0.2, "logs": True}}, "unknown key `train.dropout.logs`; a param"),
    "no-mapping": ({"train.dropout": 0.1}, "`train.dropout`: input should be"),
    "seed": ({"train.seed": {"low": 1, "high": 9}}, "no seed is better than another; replicate"),
    "shifts": ({"model.shifts": {"choices": [[0], [-3, 0, 3]]}}, "validation reads strips without shifts"),
    "threads": ({"train.threads": {"low": 1, "high": 2}}, "it should not change what is learned"),
    "data": ({"preprocess.train_strips": {"low": 96, "high": 200}}, "is no param of training alone"),
    "gate": ({"gate.tail": {"low": 0.01, "high": 0.1}}, "is no param of training alone"),
    "nothing": ({}, "at least 1 item"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_refused_before_any_work(project: Path, kind: str) -> None:
    params, message = BAD[kind]
    with pytest.raises(InputError) as error:
        Space.read(write(project, params))
    assert str(error.value).startswith("sweeps/rates.yaml: ") or str(error.value).startswith(str(project))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "not a sweep"),
        ("", "not a sweep"),
        ("trials: 3", "`params` is missing"),
        (
            "trial: 3\nparams: {train.dropout: {choices: [0.0, 0.1]}}",
            "unknown key `trial`; the keys are trials, objective, prune, params",
        ),
        ("trials: 0\nparams: {train.dropout: {choices: [0.0, 0.1]}}", "`trials`: input should be greater"),
        ("trials: yes\nparams: {train.dropout: {choices: [0.0, 0.1]}}", "`trials`: input should be a valid integer"),
        ("objective: accuracy\nparams: {train.dropout: {choices: [0.0, 0.1]}}", "`objective`: input should be 'val_"),
        ("params: {train.dropout: {low: .nan, high: 0.1}}", "`train.dropout.low`: input should be a finite number"),
        ("params: {a: [", "not readable as YAML"),
    ],
)
def test_what_is_no_sweep_is_refused(project: Path, text: str, message: str) -> None:
    file = project / "rates.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        Space.read(file)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_sweep_that_comes_with_the_project_is_valid(project: Path) -> None:
    shutil.copytree(ROOT / "sweeps", project / "sweeps")
    for file in Path("sweeps").glob("*.yaml"):
        Space.read(file)


def test_the_page_shows_the_sweep_that_comes_with_the_project() -> None:
    (shown,) = re.findall("```yaml\n(.*?)```", (ROOT / "docs" / "sweeps.md").read_text(), re.DOTALL)
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "sweeps" / "rates.yaml").read_text())


def test_a_name_that_git_would_refuse_is_refused(project: Path) -> None:
    with pytest.raises(InputError, match="rename the file to letters, digits"):
        Space.read(write(project, RATES, "my rates"))


@pytest.mark.parametrize("word", ["0", "-1", "nan", "soon", "1e9"])
def test_hours_are_a_number(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    digitsum("sweep", "x.yaml", "--hours", word, code=2)
    assert f"{word} is not a number of hours" in capsys.readouterr().err


def test_without_a_store_nothing_runs() -> None:
    assert "trials are rows in MLflow" in digitsum("sweep", "x.yaml", code=1, DIGITSUM_TRACKING="off")


# the study


@pytest.fixture
def study(project: Path) -> Study:
    return Study(Space.read(write(project, RATES, trials=4)), {"train.epochs": "2"})


def test_the_present_params_are_the_first_trial_if_they_can_be(project: Path) -> None:
    change(project, "train", learning_rate=0.02, dropout=0.1)
    first = Study(Space.read(write(project, RATES)), {}).ask()
    assert first is not None
    assert first.values == {"train.dropout": 0.1, "train.learning_rate": 0.02}
    for outside in ({"learning_rate": 0.2}, {"dropout": 0.3}):
        change(project, "train", learning_rate=0.02, dropout=0.1)
        change(project, "train", **outside)
        assert Space.read(write(project, RATES)).present() is None


@pytest.mark.parametrize(("value", "held"), [(0.0, True), (0.3, True), (0.25, False), (0.5, True), (0.6, False)])
def test_a_range_with_steps_holds_whole_steps(value: float, held: bool) -> None:
    assert Range(low=0.0, high=0.5, step=0.1).holds(value) == held


def test_a_worker_that_died_leaves_its_trial_to_the_next(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    first = study.ask()
    assert first is not None
    monkeypatch.setattr(studies, "Process", Gone)
    again = study.ask()
    assert again is not None
    assert (again.number, again.values) == (1, first.values)
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.FAIL, TrialState.RUNNING]


class Gone(studies.Process):
    alive = False  # type: ignore[assignment]


def test_a_worker_on_another_machine_counts_as_gone_once_it_is_silent(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = study.ask()
    assert first is not None
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    second = study.ask()
    assert second is not None
    assert second.values != first.values
    now = time.time() + 2 * studies.SILENCE
    monkeypatch.setattr("time.time", lambda: now)
    third = study.ask()
    assert third is not None
    assert third.values == first.values
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.RUNNING, TrialState.RUNNING]


def test_there_are_no_more_trials_than_the_file_says(study: Study) -> None:
    asked = [study.ask() for _ in range(5)]
    assert [trial is not None for trial in asked] == [True] * 4 + [False]
    assert asked[0] is not None
    asked[0].fail()
    assert study.ask() is not None, "a trial without a result does not count"


def test_equal_values_are_known(study: Study) -> None:
    first, second = study.ask(), study.ask()
    assert first is not None
    assert second is not None
    assert study.same_as(first.values, first.number) is None
    first.complete({50: 0.1, 100: 0.2}, 2)
    assert study.same_as(first.values) == first.number
    second.fail("too large for memory")
    assert study.same_as(second.values) == second.number, "what failed would fail again"


def test_a_bad_trial_is_pruned_after_the_first_ones(study: Study) -> None:
    for value in (0.9, 0.8, 0.7, 0.6)[: studies.UNPRUNED]:
        study.add({"train.learning_rate": value / 10, "train.dropout": 0.0}, {50: value, 100: value}, 2, pruned=False)
    study.space.sweep.__dict__["trials"] = 9  # the model is frozen
    trial = study.ask()
    assert trial is not None
    assert not trial.report({20: 0.0}), "too early"
    assert trial.report({20: 0.0, 50: 0.1})


def test_trials_of_different_lengths_are_compared_at_the_same_share() -> None:
    assert by_percent(range(1, 11), 10) == {percent: percent // 10 for percent in range(10, 101, 10)}
    assert by_percent([1, 2], 2) == {50: 1, 60: 1, 70: 1, 80: 1, 90: 1, 100: 2}
    assert by_percent([1], 3) == {40: 1, 50: 1, 60: 1}
    for count in range(1, 30):
        whole = by_percent(range(1, count + 1), count)
        assert whole[100] == count
        for done in range(count):
            part = by_percent(range(1, done + 1), count)
            assert part == {percent: value for percent, value in whole.items() if value <= done}


def test_another_sweep_of_the_same_name_is_refused(project: Path, study: Study) -> None:
    narrow = RATES | {"train.learning_rate": {"low": 0.001, "high": 0.05, "log": True}}
    with pytest.raises(InputError, match=r"learning_rate was 0.001 to 0.1, log, and now is 0.001 to 0.05, log; undo"):
        Study(Space.read(write(project, narrow, trials=4)), {"train.epochs": "2"})
    with pytest.raises(InputError, match=r"another sweep rates: train.epochs was 2, and now is 3"):
        Study(Space.read(write(project, RATES, trials=4)), {"train.epochs": "3"})
    more = Study(Space.read(write(project, RATES, trials=40)), {"train.epochs": "2"})
    assert more.key == study.key, "more trials are the same sweep"


@pytest.mark.parametrize(
    "address",
    ["nonsense", "sqlite:////no/such/folder/x.db", "postgresql://u:secret@127.0.0.1:1/x", "oracle://u:secret@h/x"],
)
def test_a_storage_that_cannot_be_used_is_one_line_without_the_password(
    project: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORAGE, address)
    with pytest.raises(InputError) as error:
        Study(Space.read(write(project, RATES)), {})
    assert "cannot be used" in str(error.value)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_storage_that_stays_away_ends_the_sweep_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PATIENCE", 0.05)
    monkeypatch.setattr(storage, "PAUSE", 0.01)
    with pytest.raises(InputError, match="does not answer"):
        patiently(mock.Mock(side_effect=optuna.exceptions.StorageInternalError("gone")))


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pgserver = pytest.importorskip("pgserver")
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    monkeypatch.setenv(STORAGE, server.get_uri())
    yield server
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()  # connections that a server left open when it was stopped
    server.cleanup()


@pytest.mark.slow
def test_a_storage_that_comes_back_is_waited_for(
    project: Path, database: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(storage, "PAUSE", 0.2)
    study = Study(Space.read(write(project, RATES, trials=4)), {})
    first = study.ask()
    assert first is not None
    stop(database)
    assert not first.report({50: 0.5}), "a curve waits for nobody"
    back = threading.Timer(1, database.ensure_postgres_running)
    back.start()
    first.complete({50: 0.5, 100: 0.6}, 2)
    back.join()
    assert "does not answer" in capsys.readouterr().out
    (trial,) = study.ended
    assert (trial.value, study.space.values(trial.params)) == (0.6, first.values)


def stop(server: Any) -> None:
    from pgserver.postgres_server import pg_ctl

    pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)


# the whole


@pytest.mark.slow(120)
@pytest.mark.timeout(1200)
def test_a_sweep_that_was_killed_twice_ends_with_a_row_for_each_trial(made: Path) -> None:
    """Killed with all that it had started, and alone."""
    write(made, RATES, trials=12)
    change(made, "train", epochs=3)
    for kill in (os.killpg, os.kill):
        with begin("sweep", "sweeps/rates.yaml") as process:
            wait_until_training(process, "rates-", len(experiments("rates-")) + 1)
            kill(process.pid, signal.SIGKILL)
    digitsum("sweep", "sweeps/rates.yaml")

    trials, parent = trial_rows(), sweep_row()
    values = [json.loads(row.data.tags[TRIAL])["values"] for row in trials]
    assert len(trials) == 12
    assert len({json.dumps(one) for one in values}) == 12, "nothing ran twice"
    for row, chosen in zip(trials, values, strict=True):
        assert row.data.tags[PARENT] == parent.info.run_id
        assert (RESULT in row.data.tags) != (PRUNED in row.data.tags)
        assert {key: row.data.params[key] for key in chosen} == {key: str(value) for key, value in chosen.items()}
        assert row.data.params["train.epochs"] == "3"
    whole = [row for row in trials if RESULT in row.data.tags]
    assert {row.data.tags["digitsum.experiment"] for row in whole} == experiments("rates-")
    best = max(row.data.metrics["val_accuracy"] for row in whole)
    assert parent.data.metrics["val_accuracy"] == best
    assert parent.data.metrics["trials"] == 12
    client, _ = store()
    files = {file.path for file in client.list_artifacts(parent.info.run_id, "rates")}
    assert files == {f"rates/{name}" for name in ("best.yaml", "trials.csv", "importance.png", "parallel.png")}
    assert len(Path("reports/sweeps/rates/trials.csv").read_text().splitlines()) == 13
    assert call("git", "status", "--porcelain", "digitsum", "dvc.lock") == ""

    ran = len(stage_runs())
    again = digitsum("sweep", "sweeps/rates.yaml")
    assert "12 of 12 trials ended" in again
    Path(".digitsum/sweeps.db").unlink()
    assert digitsum("sweep", "sweeps/rates.yaml").splitlines()[0] == again.splitlines()[0]
    assert (len(stage_runs()), len(trial_rows())) == (ran, 12), "rows stand in for a storage that was lost"


@pytest.mark.slow(60)
def test_the_best_trial_is_judged_again_with_seeds_that_did_not_choose_it(made: Path) -> None:
    write(made, RATES, trials=2)
    change(made, "train", epochs=1)
    output = digitsum("sweep", "sweeps/rates.yaml")
    (command,) = (line for line in output.splitlines() if line.startswith("again"))
    words = command.split()
    row, word = words[words.index("replicate") + 1], words[words.index("--seeds")]
    assert "seed 1: a sweep tried these params with it" in digitsum("replicate", row, word, "1,2", code=1)
    printed = digitsum("replicate", row, word, "2")
    chosen = next(one for one in trial_rows() if one.info.run_id.startswith(row))
    assert f"chosen    for {chosen.data.metrics['val_accuracy']:.2%} of the validation sums, with seed 1" in printed
    client, experiment = store()
    (recipe,) = client.search_runs([experiment], "tags.`digitsum.recipe_row` != ''")
    assert recipe.data.metrics["seeds"] == 2
    seeds = {run.data.params["train.seed"] for run in client.search_runs([experiment]) if RESULT in run.data.tags}
    assert seeds == {"1", "2", "3"}
    digitsum("use", "reports/sweeps/rates/best.yaml")
    assert "has a row" in digitsum("replicate", "--seeds", "2"), "the recipe file is of the best trial"


@pytest.mark.slow(30)
def test_a_committed_result_that_never_ran_here_is_a_trial_once_it_has_its_curve(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("git", "clone", "-q", str(made), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    write(Path(), RATES, trials=1)
    digitsum("sync")
    assert "1 of 1 trials ended, 0 of them pruned" in digitsum("sweep", "sweeps/rates.yaml")
    client, experiment = store()
    (row,) = client.search_runs([experiment], f"tags.`{RESULT}` != ''")
    assert json.loads(row.data.tags[TRIAL])["number"] == 0
    assert [point.step for point in client.get_metric_history(row.info.run_id, "val_accuracy")] == [6, 12]
    assert not any(RESTORED in child.data.tags for child in children(row).values())


@pytest.mark.slow(30)
def test_a_pruned_trial_is_a_row_that_says_so(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ordinary processes: a warm stage is no child of its dvc."""
    for name, value in ON.items():
        monkeypatch.setenv(name, value)
    change(made, "train", epochs=500)
    space = Space.read(write(made, RATES))
    worker = Worker(row_contents(), Study(space, common(space)))
    trial = worker.study.ask()
    assert trial is not None
    monkeypatch.setattr(trial._asked, "should_prune", lambda: bool(trial._reported))
    assert worker.run(trial)
    (ended,) = worker.study.ended
    assert ended.state == TrialState.PRUNED
    (row,) = trial_rows()
    assert re.fullmatch("after epoch [1-9][0-9]* of 500", row.data.tags[PRUNED])
    assert row.info.status == "KILLED"
    assert row.data.params["train.epochs"] == "500"
    assert 0 <= row.data.metrics["val_accuracy"] < 1
    assert children(row)["train"].info.status == "KILLED"
    assert experiments("rates-") == set()
    assert worker.study.same_as(trial.values) == trial.number, "it is not tried again"


@pytest.mark.slow(60)
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("database")
def test_two_workers_share_a_study_in_postgres(made: Path) -> None:
    change(made, "train", epochs=1)
    write(made, RATES, trials=6, prune=False)
    workers = [begin("sweep", "sweeps/rates.yaml") for _ in range(2)]
    assert [worker.wait(600) for worker in workers] == [0, 0], Path("log").read_text()
    study = optuna.load_study(study_name="rates", storage=os.environ[STORAGE])
    ended = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert len(ended) == 6
    assert len({trial.user_attrs["worker"]["pid"] for trial in ended}) == 2
    assert len({json.dumps(trial.params) for trial in ended}) == 6
    assert len(trial_rows()) == 6
    assert len(experiments("rates-")) == 6
    runs = [run for run in stage_runs() if run.data.tags["digitsum.stage"] == "train"]
    assert len(runs) == 6, "no trial was trained by both"
