"""A retraining from end to end: pull, look at new data, run what changed, push, record, judge, and comment."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from digitsum.analysis import predictions
from digitsum.analysis.comparison import compare_metrics
from digitsum.analysis.matrix import confusion_matrix
from digitsum.analysis.metric_intervals import intervals
from digitsum.errors import InputError
from digitsum.files import write_text
from digitsum.formats import load_yaml
from digitsum.judging.decision import Decision
from digitsum.judging.gate import Verdict
from digitsum.judging.promotion import Candidate, promote
from digitsum.model.architecture import SumModel
from digitsum.model.devices import prepare
from digitsum.model.model_file import read_model
from digitsum.params.evaluate import EvaluateParams
from digitsum.params.gate import GateParams
from digitsum.params.ingest import IngestParams
from digitsum.params.loader import Params, read_params
from digitsum.params.strip import StripParams
from digitsum.places import EVALUATION, EXTERNAL, MODEL, PARAMS, PREDICTIONS, PROCESSED, RAW, STATE
from digitsum.retraining import baseline, drift, dvc_runs, overrides, wording
from digitsum.retraining.comment import Story, render
from digitsum.retraining.shading import shaded
from digitsum.strips.dataset import Strips
from digitsum.tracking import sync as tracking
from digitsum.tracking.results import leftovers
from digitsum.tracking.results.dvc_files import earlier_runs
from digitsum.tracking.results.git import current_branch
from digitsum.tracking.results.occurrences import in_workspace
from digitsum.tracking.results.result import Occurrence, Result
from digitsum.tracking.rows.contents import Contents
from digitsum.tracking.rows.registry import CHAMPION, Registry
from digitsum.tracking.rows.settings import SWITCH, embedded_store, switched_off, tracking_uri
from digitsum.tracking.rows.store import Store, opened
from digitsum.tracking.rows.tags import MADE, STAGE

FIGURES = EVALUATION / "figures.csv"
COMMENT = STATE / "comment.md"
TRAIN = PROCESSED / "train"


@dataclass(frozen=True)
class Options:
    changes: str = ""  # of params: section.key=value, with spaces between
    force: bool = False  # run every stage
    read_only: bool = False  # pull from the remote, but push nothing to it, and promote nothing
    local: bool = False  # use no remote, and promote nothing


def retrain(contents: Contents, options: Options) -> str:
    """Retrains, writes the comment to `.digitsum/comment.md`, and returns the verdict for the terminal.

    What can be refused is refused before a stage runs, and the champion changes last.

    Raises:
        InputError: naming what is wrong with params, remotes or data, or what failed.
    """
    COMMENT.unlink(missing_ok=True)
    for line in leftovers.clear():
        print(f"retrain: {line}", flush=True)
    require_remote_and_store(options.local)
    overrides.apply(options.changes)
    params = read_params()
    prepare("cpu", params[EvaluateParams].threads, "evaluate.threads")
    before = baseline.base_result(baseline.base_commit())
    if not options.local:
        print("retrain: pulling from the DVC remote", flush=True)
        dvc_runs.pull()

    new_data = look_at_new_data(params[IngestParams], params[StripParams])
    known = earlier_runs(MODEL.as_posix())
    stages = dvc_runs.repro(options.force, options.local)
    after = whole_result()
    nothing_pushed = options.local or options.read_only
    if not nothing_pushed:
        print("retrain: pushing to the DVC remote", flush=True)
        dvc_runs.push()

    row = tracking.sync(contents).row
    if row is None:
        raise InputError("MLflow: somebody deleted the row of this result; restore it there, and retrain once more")
    with opened() as store:
        hindrance = hindrance_to_promotion(nothing_pushed) or unproven(store, after, stages)
        judgment = judge(store, row.id, params, hindrance)
        link = wording.link_to_row(store, row.id)

    verdict = judgment.verdict if isinstance(judgment, Decision) else Verdict((), None, ())
    mark, headline = wording.headline(judgment, after)
    pair = baseline.paired(before, after) if before else None
    story = Story(
        mark=mark,
        headline=headline,
        reason=wording.reason(judgment, hindrance),
        checks=verdict.checks,
        broken_slices=verdict.broken_slices,
        matrix=picture(params[StripParams]),
        base=f"{baseline.MAIN} at {before.commit[:10]}" if before else baseline.MAIN,
        metrics=compare_metrics(before.metrics if before else {}, after.metrics, intervals(after.metrics, FIGURES)),
        comparison=baseline.comparison(pair),
        params=baseline.changed_params(before, load_yaml(Path(PARAMS).read_text())),
        work=wording.work(stages),
        stages=stages,
        pairs=baseline.moved_pairs(pair),
        drift=new_data,
        model=wording.model_sentence(known, after, stages),
        links={"MLflow": link} | wording.links_to_reports(),
        commands=wording.commands(after.commit, options.changes),
    )
    write_text(COMMENT, render(story))
    return wording.in_terminal(judgment, hindrance, after)


def picture(strip: StripParams) -> str:
    """The confusion matrix of the workspace's predictions as text."""
    table = predictions.read(PREDICTIONS, baseline.COMPARED)
    return shaded(confusion_matrix(table["sum"].to_numpy(), table["predicted"].to_numpy(), 9 * strip.digits))


def require_remote_and_store(local: bool) -> None:
    """
    Raises:
        InputError: if tracking is off, or the DVC remote or the MLflow store cannot be used.
    """
    if switched_off():
        raise InputError(f"{SWITCH}: is off, but a retraining records its result; unset it")
    if not local:
        dvc_runs.drop_empty_settings()
        dvc_runs.require_remote()
    with opened(new=True):
        pass  # fails where the store cannot be used


def whole_result() -> Occurrence:
    """
    Raises:
        InputError: if dvc.lock does not hold a result of all stages.
    """
    result = in_workspace()
    if result is None:
        raise InputError("dvc.lock: no result of all stages after dvc repro; a stage is missing in dvc.yaml")
    return result


def judge(store: Store, run: str, params: Params, hindrance: str | None) -> Decision | InputError:
    """What the gate decides, or why it cannot; where there is a `hindrance` to promotion, nothing changes."""
    batch_size, dry_run = params[EvaluateParams].batch_size, hindrance is not None
    try:
        return promote(store, run, params[GateParams], batch_size, dry_run)
    except InputError as error:
        return error


def hindrance_to_promotion(nothing_pushed: bool) -> str | None:
    """Why nothing may be promoted here; None if it may."""
    if nothing_pushed:
        return "nothing was pushed to a DVC remote"
    if current_branch() != baseline.MAIN:
        return f"only the branch {baseline.MAIN} promotes"
    if os.environ.get("CI") and embedded_store(tracking_uri()):
        return "the MLflow store is a file on this runner and goes with it; set MLFLOW_TRACKING_URI to one that stays"
    return None


def unproven(store: Store, result: Result, stages: list[dvc_runs.StageRun]) -> str | None:
    """Why outputs from the run-cache may not be promoted: who can write to the DVC remote can forge its entries.

    Only an MLflow run of the stage, with the same inputs and outputs, shows that it really ran.
    """
    restored = [stage.name for stage in stages if stage.manner == "restored"]
    unknown = [name for name in restored if not store.runs({MADE: result.stage_key(name), STAGE: name})]
    if not unknown:
        return None
    return f"the run-cache gave the outputs of {', '.join(unknown)}, and MLflow has no run that made them; set FORCE=1"


def look_at_new_data(ingest: IngestParams, strip: StripParams) -> drift.Drift | None:
    """How strips that are new in data/external differ, and how the model before this retraining reads them."""
    if ingest.source != "npy" or not (TRAIN / "sums.npy").exists():
        return None
    found = drift.new_strips(EXTERNAL, RAW, strip.digits, strip.height, strip.width)
    if found is None:
        return None
    name, model = model_before()
    if model is None or (model.data.digits, model.data.height, model.data.width) != (
        strip.digits,
        strip.height,
        strip.width,
    ):
        return None
    files, strips = found
    return drift.look(files, Strips.read(TRAIN), strips, model, name)


def model_before() -> tuple[str, SumModel | None]:
    """The champion, or where it has no model file, the model in the working tree: in words, and the model."""
    with suppress(InputError), opened() as store:
        champion = Registry(store).holder(CHAMPION)
        if champion and (row := store.run(champion.run)):
            return f"the champion (version {champion.number})", Candidate(store, row).model()
    with suppress(InputError):  # there is no model, or this code cannot read it
        return "the last model", read_model(MODEL)
    return "", None
