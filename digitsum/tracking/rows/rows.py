"""One row for each result: a parent run with everything that tells results apart, and the stages as its children."""

import json
from contextlib import suppress
from typing import Any

from digitsum.tracking.recording.sender import log_params
from digitsum.tracking.recording.tracker import flat
from digitsum.tracking.results.result import Essence, Result
from digitsum.tracking.rows.models import ModelForm, log_model
from digitsum.tracking.rows.store import query, search
from digitsum.tracking.rows.tags import NOTE, PATCH, name_of, occasions_tag, tags_of

PARENT = "mlflow.parentRunId"
ENVIRONMENT = ("digitsum.python", "digitsum.platform", "digitsum.packages")


class Rows:
    """The rows of one experiment."""

    def __init__(self, client: Any, experiment: str, form: ModelForm | None = None):
        """`form` says how the model among the outs is logged."""
        self._client, self.experiment, self._form = client, experiment, form

    @property
    def born(self) -> int:
        """When the experiment was made: a store that was deleted and made anew has the same numbers."""
        return int(self._client.get_experiment(self.experiment).creation_time)

    def find(self, **tags: str) -> list[Any]:
        return search(self._client, self.experiment, tags)

    def deleted(self, result: Result) -> list[Any]:
        return search(self._client, self.experiment, {"digitsum__result": result.key}, deleted=True)

    def with_data(self, md5: str) -> list[Any]:
        """Rows of results that have a file or folder with a checksum that begins so, oldest first."""
        return query(self._client, self.experiment, f"tags.`digitsum.checksums` LIKE '%\"{md5}%'")

    def models_of(self, row: Any) -> list[str]:
        """Ids of the models that a row has."""
        return [model.model_id for model in (row.outputs.model_outputs if row.outputs else [])]

    def newest(self, count: int) -> list[Any]:
        """Newest first."""
        words = "tags.`digitsum.result` != ''"
        return list(self._client.search_runs([self.experiment], words, 1, count, ["attributes.start_time DESC"]))

    def champion(self) -> Any | None:
        """The row of the registered champion."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):  # none yet
            return self._client.get_run(self._client.get_model_version_by_alias("digitsum", "champion").run_id)
        return None

    def add(self, result: Result) -> bool:
        """Whether the result was new; one that has a row is told of the occasion alone.

        May be cut off anywhere and called again.
        """
        there = self.find(digitsum__result=result.key)
        whole = [run for run in there if run.info.status == "FINISHED"]
        if whole:
            self._occur(whole[0], result)
            return False
        if not there and self.deleted(result):  # a person did not want it
            return False
        row = there[0].info.run_id if there else self._begin(result)
        self._fill(row, result)
        first, *others = self.find(digitsum__result=result.key)
        if others and first.info.run_id != row:  # somebody else was quicker
            self._client.delete_run(row)
            return False
        return True

    def _begin(self, result: Result) -> str:
        computed = [run.info.start_time for run in self._own(result, "").values()]
        run = self._client.create_run(
            self.experiment,
            min([result.time, *computed]),
            {"digitsum.result": result.key, "mlflow.source.name": "dvc.yaml", "mlflow.source.type": "PROJECT"},
            run_name=name_of(result),
        )
        return str(run.info.run_id)

    def _fill(self, row: str, result: Result) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag, RunTag

        own = self._own(result, row)
        runs = self._elsewhere(result) | own
        for stage, essence in result.stages.items():
            if stage in own:
                self._client.set_tag(own[stage].info.run_id, PARENT, row)
            else:
                self._stand_in(row, result, stage, essence, runs.get(stage))
        environment = {
            name: value for run in runs.values() for name, value in run.data.tags.items() if name in ENVIRONMENT
        }
        log_params(self._client, row, flat(result.params))
        self._client.log_batch(row, tags=[RunTag(*pair) for pair in (environment | tags_of(result)).items()])
        self._client.log_text(row, result.lock, "dvc.lock")
        if result.patch:
            self._client.log_text(row, result.patch, PATCH)

        data = {path: md5 for path, md5 in result.outs.items() if path.startswith("data/")}
        self._client.log_inputs(
            row,
            [
                DatasetInput(
                    Dataset(path, md5, "local", json.dumps({"uri": path})),
                    [InputTag("mlflow.data.context", _context(result, path))],
                )
                for path, md5 in data.items()
            ],
        )
        self._add_model(row, result)
        ends = [run.info.end_time for run in runs.values() if run.data.tags.get(PARENT) == row and run.info.end_time]
        self._client.set_terminated(row, "FINISHED", max([result.time, *ends]))

    def _add_model(self, row: str, result: Result) -> None:
        """The logged model, if its file is to be had, and the metrics, of which a store takes each of a time only once.

        A store refuses to be told twice of a model that a row has; it is told last, so that a row that has it is whole.
        """
        from mlflow.entities import LoggedModelOutput, Metric

        model = log_model(self._client, self.experiment, row, self._form, result) if self._form else None
        run = self._client.get_run(row)
        there = next((self._client.get_metric_history(row, name)[0] for name in run.data.metrics), None)
        time = there.timestamp if there else result.time
        name, md5 = _judged_on(result)
        metrics = [Metric(key, float(value), time, 0, model, name, md5, row) for key, value in result.metrics.items()]
        self._client.log_batch(row, metrics=metrics)
        if model is not None and model not in self.models_of(run):
            self._client.log_outputs(row, [LoggedModelOutput(model, 0)])

    def _own(self, result: Result, row: str) -> dict[str, Any]:
        """The run of each stage that ran for this row, as far as known: already its child, or nobody's."""

        def distance(run: Any) -> tuple[bool, bool]:
            return run.data.tags.get(PARENT) != row, run.data.tags.get("digitsum.experiment") != result.experiment

        found: dict[str, Any] = {}
        for stage in result.stages:
            runs = self.find(digitsum__made=result.stage_key(stage), digitsum__stage=stage)
            if mine := [run for run in runs if run.data.tags.get(PARENT, row) == row]:
                found[stage] = min(mine, key=distance)
        return found

    def _elsewhere(self, result: Result) -> dict[str, Any]:
        """The run that computed each stage for another row: of the same params if there is one, or at least outs."""
        found: dict[str, Any] = {}
        for stage in result.stages:
            same = self.find(digitsum__made=result.stage_key(stage), digitsum__stage=stage)
            if runs := same or self.find(digitsum__outs=result.outs_key(stage), digitsum__stage=stage):
                found[stage] = runs[0]
        return found

    def _stand_in(self, row: str, result: Result, stage: str, essence: Essence, run: Any | None) -> None:
        """A child that stands for a stage whose run is in another row or unknown."""
        there = self.find(**{"mlflow__parentRunId": row, "digitsum__stage": stage})
        if there and there[0].info.status == "FINISHED":
            return
        tags = {PARENT: row, "digitsum.stage": stage, "digitsum.restored": "true"}
        note = "Skipped by DVC or taken from its cache. "
        if run is None:
            note += "Which run computed it is not known here."
        else:
            saved = ((run.info.end_time or run.info.start_time) - run.info.start_time) / 1000
            address = f"#/experiments/{self.experiment}/runs/{run.info.run_id}"
            note += f"Computed by [{run.info.run_name} {run.info.run_id[:8]}]({address}); saved {saved:,.0f} s."
            tags |= {"digitsum.computed_by": run.info.run_id, "digitsum.saved_seconds": f"{saved:.1f}"}
        child = there[0] if there else None  # where it was cut off
        if child is None:
            name = f"{stage} (restored)"
            child = self._client.create_run(self.experiment, result.time, tags | {NOTE: note}, run_name=name)
        log_params(self._client, child.info.run_id, flat(essence["params"]))
        self._client.set_terminated(child.info.run_id, "FINISHED", result.time)

    def _occur(self, run: Any, result: Result) -> None:
        """Notes the occasion; a commit that holds the result is a better origin than a workspace with changes."""
        tags = run.data.tags
        occasions = json.loads(tags["digitsum.occasions"])
        better = tags["digitsum.dirty"] == "true" and not result.dirty
        if result.occasion not in occasions:
            new = tags_of(result) if better else {}
            new["digitsum.occasions"] = occasions_tag([*occasions, result.occasion])
            for name, value in new.items():
                self._client.set_tag(run.info.run_id, name, value)
            if better:
                if result.patch:
                    self._client.log_text(run.info.run_id, result.patch, PATCH)
                self._client.update_run(run.info.run_id, name=name_of(result))
        for stage in result.stages:  # computed once more, with the same outcome
            for other in self.find(digitsum__made=result.stage_key(stage), digitsum__stage=stage):
                if PARENT not in other.data.tags:
                    self._client.set_tag(other.info.run_id, PARENT, run.info.run_id)
        if self._form and not self.models_of(run):  # its file was not here before, as after a clone without dvc pull
            self._add_model(run.info.run_id, result)


def _context(result: Result, path: str) -> str:
    users = [name for name, stage in result.stages.items() if any(dep.startswith(path) for dep in stage["deps"])]
    return ", ".join(users)


def _judged_on(result: Result) -> tuple[str, str] | tuple[None, None]:
    """Path and checksum of the data that the stage with the metrics read."""
    for stage in result.stages.values():
        if any(path in stage["outs"] for path in result.figures):
            for path in stage["deps"]:
                if path in result.outs:
                    return path, result.outs[path]
    return None, None
