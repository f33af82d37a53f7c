"""Add the row of a result: a parent run that identifies the result, with the stages as its children."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from digitsum.tracking.results.changes import changed_params, differences, result_before
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.data import Data
from digitsum.tracking.results.dvc_files import Essence, flat
from digitsum.tracking.results.result import Occurrence
from digitsum.tracking.rows.contents import Contents, curves, log_files, missing_curves
from digitsum.tracking.rows.models import checksum_of_model, log_model
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import Store
from digitsum.tracking.rows.tags import (
    ARITHMETIC,
    COMPUTED_BY,
    DIRTY,
    DVC_EXPERIMENT,
    ENVIRONMENT,
    MADE,
    NOTE,
    OUTS,
    PARENT,
    PATCH,
    RESTORED,
    RESULT,
    STAGE,
    child_name,
    name_of,
    note,
    occasions_of,
    occasions_tag,
    tags_of,
)


def add(store: Store, result: Occurrence, contents: Contents | None = None, known: bool = False) -> bool:
    """Whether the result was new. A row that exists gets a note of the occasion.

    May be cut off anywhere and called again.

    Args:
        contents: the model and the files that the row shows; None for none.
        known: whether the store has had the row; without it, a user deleted the row, and it does not come back.
    """
    there = store.runs({RESULT: result.key})
    whole = [run for run in there if run.status == "FINISHED"]
    if whole:
        _occur(store, whole[0], result, contents)
        return False
    if not there and (known or store.runs({RESULT: result.key}, deleted=True)):  # a user did not want it
        return False
    row = there[0].id if there else _begin(store, result)
    _fill(store, row, result, contents)
    first, *others = store.runs({RESULT: result.key})
    if others and first.id != row:  # another process added it first
        store.delete(row)
        return False
    return True


def _begin(store: Store, result: Occurrence) -> str:
    starts = [run.start for run in _own_runs(store, result, "").values()]
    tags = {RESULT: result.key, "mlflow.source.name": "dvc.yaml", "mlflow.source.type": "PROJECT"}
    return store.begin(name_of(result), tags, min([result.time, *starts]))


def _fill(store: Store, row: str, result: Occurrence, contents: Contents | None) -> None:
    own = _own_runs(store, result, row)
    runs = _runs_elsewhere(store, result) | own
    for stage, essence in result.stages.items():
        if stage in own:
            _adopt(store, own[stage], row, name_of(result))
        else:
            _stand_in(store, row, result, stage, essence, runs.get(stage))
    store.log_params(row, flat(result.params))
    tags = tags_of(result) | {NOTE: note(result, row, _since(store, row, result))}
    store.log(row, [], _environment(result, runs) | tags)
    store.log_text(row, result.lock, "dvc.lock")
    if result.patch:
        store.log_text(row, result.patch, PATCH)
    data = {path: md5 for path, md5 in result.outs.items() if path.startswith("data/")}
    store.log_data(row, [_data(path, md5, _users(result, path)) for path, md5 in data.items()])
    _add_contents(store, row, result, contents)
    # after the metrics of the result, since MLflow's page of a comparison opens with the first metric of a row
    store.log(row, curves(store, runs.values(), contents, result), {})
    ends = [run.end for run in runs.values() if run.tags.get(PARENT) == row and run.end]
    store.end(row, "FINISHED", max([result.time, *ends]))


def _environment(result: Occurrence, runs: Mapping[str, Run]) -> dict[str, str]:
    """The environment of the runs of the stages, as tags of the row."""
    found = {name: run.tags[name] for run in runs.values() for name in ENVIRONMENT if name in run.tags}
    kinds = {run.tags.get(ARITHMETIC, "fastest") for run in runs.values()}
    is_portable = len(runs) == len(result.stages) and kinds == {"portable"}
    return found | {ARITHMETIC: "portable" if is_portable else "fastest"}


def _since(store: Store, row: str, result: Occurrence) -> tuple[str, list[str]] | None:
    """The result before this one, and what has changed since; None for the first result."""
    if before := result_before(result):
        return before.name, differences(before, result)
    earlier = [run for run in store.newest(2) if run.id != row and run.start <= result.time]
    if not earlier:
        return None
    changed = changed_params(earlier[0].params, flat(result.params))
    return earlier[0].name, [f"{name} {then} -> {now}" for name, (then, now) in changed.items()]


def _data(path: str, md5: str, context: str) -> Data:
    here = Path(path)
    return Data.at(here, md5, context) if here.exists() and checksum(here) == md5 else Data(path, md5, context)


def _add_contents(store: Store, row: str, result: Occurrence, contents: Contents | None) -> None:
    """The metrics, the files of `contents` that are at hand, and the logged model if its file is.

    A store keeps a metric once for each time, so all calls give the same time. It refuses a model that the row has;
    so the model is linked last, and a row with a model is whole.
    """
    from mlflow.entities import LoggedModelOutput, Metric

    if contents is not None:
        log_files(store, row, contents, result)
    model = log_model(store, row, contents.model, result) if contents else None
    run = store.client.get_run(row)
    own = (name for name in run.data.metrics if name in result.metrics)
    there = next((store.client.get_metric_history(row, name)[0] for name in own), None)
    time = there.timestamp if there else result.time
    name, md5 = _judged_on(result)
    metrics = [Metric(key, float(value), time, 0, model, name, md5, row) for key, value in result.metrics.items()]
    store.client.log_batch(row, metrics=metrics)
    models = Run.read(run).models
    if model is not None and model not in models:
        store.client.log_outputs(row, [LoggedModelOutput(model, len(models))])


def _own_runs(store: Store, result: Occurrence, row: str) -> dict[str, Run]:
    """The run of each stage that ran for this row, as far as known: already its child, or a run without a parent."""

    def distance(run: Run) -> tuple[bool, bool]:
        return run.tags.get(PARENT) != row, run.tags.get(DVC_EXPERIMENT) != result.experiment

    found: dict[str, Run] = {}
    for stage in result.stages:
        runs = store.runs({MADE: result.stage_key(stage), STAGE: stage})
        if mine := [run for run in runs if run.tags.get(PARENT, row) == row]:
            found[stage] = min(mine, key=distance)
    if len(found) < len(result.stages):  # a dvc that was killed half-way ran the later ones, for another result
        last = result.time + 1000  # commits have whole seconds
        found = {name: run for name, run in found.items() if run.start <= last or run.tags.get(PARENT) == row}
    return found


def _runs_elsewhere(store: Store, result: Occurrence) -> dict[str, Run]:
    """The run that computed each stage for another row: one with the same params, or else with the same outs."""
    found: dict[str, Run] = {}
    for stage in result.stages:
        same = store.runs({MADE: result.stage_key(stage), STAGE: stage})
        if runs := same or store.runs({OUTS: result.outs_key(stage), STAGE: stage}):
            found[stage] = runs[0]
    return found


def _stand_in(
    store: Store, row: str, result: Occurrence, stage: str, essence: Essence, computed_by: Run | None
) -> None:
    """A child that stands for a stage whose run belongs to another row or is unknown."""
    there = store.runs({PARENT: row, STAGE: stage})
    if there and there[0].status == "FINISHED":
        return
    tags = {PARENT: row, STAGE: stage, RESTORED: "true"}
    words = "Skipped by DVC or taken from its cache. "
    if computed_by is None:
        words += "Which run computed it is not known here."
    else:
        link = f"[{computed_by.name} {computed_by.id[:8]}]({store.page(computed_by.id)})"
        words += f"Computed by {link}; saved {computed_by.seconds:,.0f} s."
        tags |= {COMPUTED_BY: computed_by.id, "digitsum.saved_seconds": f"{computed_by.seconds:.1f}"}
    if there:  # cut off before it was finished
        child = there[0].id
    else:
        child = store.begin(child_name(name_of(result), stage, restored=True), tags | {NOTE: words}, result.time)
    store.log_params(child, flat(essence["params"]))
    store.end(child, "FINISHED", result.time)


def _adopt(store: Store, run: Run, row: str, name: str) -> None:
    """Make the run of a stage a child of a row, whose name it bears."""
    store.set_tag(run.id, PARENT, row)
    store.rename(run.id, child_name(name, run.tags[STAGE], restored=RESTORED in run.tags))


def _occur(store: Store, row: Run, result: Occurrence, contents: Contents | None) -> None:
    """Note the occasion. A commit that holds the result is a better origin than a workspace with changes."""
    occasions = occasions_of(row.tags)
    better = row.tags[DIRTY] == "true" and not result.dirty
    if result.name not in occasions:
        new = tags_of(result) | {NOTE: note(result, row.id, _since(store, row.id, result))} if better else {}
        new["digitsum.occasions"] = occasions_tag([*occasions, result.name])
        for name, value in new.items():
            store.set_tag(row.id, name, value)
        if better:
            if result.patch:
                store.log_text(row.id, result.patch, PATCH)
            store.rename(row.id, name_of(result))
            for child in store.runs({PARENT: row.id}):
                _adopt(store, child, row.id, name_of(result))
    runs = {stage: store.runs({MADE: result.stage_key(stage), STAGE: stage}) for stage in result.stages}
    again = {stage: [run for run in one if PARENT not in run.tags] for stage, one in runs.items()}
    if all(again.values()):  # computed once more, with the same outcome; in part, it may begin another result
        store.log(row.id, missing_curves(store, row.id, chain(*again.values()), contents, result), {})
        if not any(name in row.tags for name in ENVIRONMENT):  # computed for the first time, as far as known here
            _replace_stand_ins(store, row, result, {stage: one[0] for stage, one in again.items()})
        for other in chain(*again.values()):
            _adopt(store, other, row.id, name_of(result) if better else row.name)
    # files were missing before, as after a clone without dvc pull, or the logged model was deleted
    if contents and not row.metrics.keys() - result.metrics.keys():
        store.log(row.id, missing_curves(store, row.id, [], contents, result), {})
    if contents and not (row.models and checksum_of_model(store, row.models[0])):
        _add_contents(store, row.id, result, contents)


def _replace_stand_ins(store: Store, row: Run, result: Occurrence, runs: Mapping[str, Run]) -> None:
    """Delete the children that stood for unknown runs, and give the row the environment of the runs."""
    for child in store.runs({PARENT: row.id}):
        if RESTORED in child.tags and COMPUTED_BY not in child.tags:
            store.delete(child.id)
    store.log(row.id, [], _environment(result, runs))
    end = max(run.end or run.start for run in runs.values())
    store.end(row.id, "FINISHED", max(row.end or row.start, end))


def _users(result: Occurrence, path: str) -> str:
    """The stages that read a path."""
    users = [name for name, stage in result.stages.items() if any(dep.startswith(path) for dep in stage["deps"])]
    return ", ".join(users)


def _judged_on(result: Occurrence) -> tuple[str, str] | tuple[None, None]:
    """Path and checksum of the data that the stage with the metrics read."""
    for stage in result.stages.values():
        if any(path in stage["outs"] for path in result.figures):
            for path in stage["deps"]:
                if path in result.outs:
                    return path, result.outs[path]
    return None, None
