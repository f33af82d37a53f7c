"""A retraining from end to end: pull, look at new data, run what changed, push, record, judge, and tell."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import pandas as pd
from markupsafe import Markup

from digitsum.errors import InputError
from digitsum.files import write_text
from digitsum.formats import load_yaml
from digitsum.judging.promotion import Candidate, promote
from digitsum.model.architecture import SumModel
from digitsum.model.devices import prepare
from digitsum.model.model_file import read_model
from digitsum.params.evaluate import EvaluateParams
from digitsum.params.gate import GateParams
from digitsum.params.ingest import IngestParams
from digitsum.params.loader import Params, read_params
from digitsum.params.strip import StripParams
from digitsum.places import EVALUATION, EXTERNAL, MODEL, PARAMS, PROCESSED, RAW, STATE
from digitsum.retraining import baseline as base
from digitsum.retraining import drift, overrides
from digitsum.retraining import dvc_runs as pipeline
from digitsum.retraining.comment import Story, escaped, render
from digitsum.strips.dataset import Strips
from digitsum.tracking import sync as tracking
from digitsum.tracking.results.dvc_files import earlier_runs
from digitsum.tracking.results.occurrences import in_workspace
from digitsum.tracking.results.result import Occurrence
from digitsum.tracking.rows.models import ModelForm
from digitsum.tracking.rows.registry import CHAMPION, Registry
from digitsum.tracking.rows.settings import SWITCH, embedded_store, switched_off, tracking_uri
from digitsum.tracking.rows.store import Store, opened

FIGURES = EVALUATION / "figures.csv"
COMMENT = STATE / "comment.md"
TRAIN = PROCESSED / "train"


@dataclass(frozen=True)
class Options:
    changes: str = ""  # of params: section.key=value, with spaces between
    force: bool = False  # runs every stage
    read_only: bool = False  # pulls from the remote, but pushes nothing to it, and promotes nothing
    local: bool = False  # uses no remote, and promotes nothing


def retrain(form: ModelForm, options: Options) -> str:
    """Does it all and returns the comment, which is left in `.digitsum/comment.md` as well.

    Whatever can be refused is refused before a stage runs, and the champion changes last.

    Raises:
        InputError: naming what is wrong with params, remotes or data, or what failed.
    """
    if switched_off():
        raise InputError(f"{SWITCH}: is off, but retraining records what it makes; unset it")
    COMMENT.unlink(missing_ok=True)
    if not options.local:
        pipeline.forget_empty()
        pipeline.require_remote()
    with opened():
        pass  # a store that cannot be used is told of now
    overrides.apply(options.changes)
    params = read_params()
    prepare("cpu", params[EvaluateParams].threads, "evaluate.threads")
    before = base.base_result(base.base_commit())
    if not options.local:
        print("retrain: pulling from the DVC remote", flush=True)
        pipeline.pull()
    seen = look_at_new_data(params[IngestParams], params[StripParams])
    known = earlier_runs(MODEL.as_posix())
    stages = pipeline.repro(options.force, options.local)
    after = in_workspace()
    if after is None:
        raise InputError("dvc.lock: holds no whole result after dvc repro; a stage of dvc.yaml must have been left out")
    if not (options.local or options.read_only):
        print("retrain: pushing to the DVC remote", flush=True)
        pipeline.push()
    row = tracking.sync(form).row
    if row is None:
        raise InputError("MLflow: somebody deleted the row of this result; restore it there, and retrain once more")
    hindrance = may_promote(nothing_pushed=options.local or options.read_only)
    with opened() as store:
        verdict, ending = judged(store, row.id, params, hindrance)
        link = link_of_row(store, row.id)
    model = model_sentence(known, after, stages)
    text = render(story(before, after, stages, verdict, ending, seen, model, link, options))
    write_text(COMMENT, text)
    return text


def judged(store: Store, run: str, params: Params, hindrance: str | None) -> tuple[str, str]:
    """The gate's verdict, and in a word or two what came of it; with a `hindrance` to promotion, nothing changes."""
    dry_run = hindrance is not None
    batch_size = params[EvaluateParams].batch_size
    try:
        decision = promote(store, run, params[GateParams], batch_size, dry_run)
    except InputError as error:
        return f"The gate cannot judge: {error}.", "not judged"
    if dry_run:
        return f"{decision.text} Nothing was promoted: {hindrance}.", "judged"
    return decision.text, "promoted" if decision.promoted else "refused"


def may_promote(nothing_pushed: bool) -> str | None:
    """Why nothing may be promoted here; None if it may."""
    if nothing_pushed:
        return "nothing was pushed to a DVC remote"
    if base.branch() != base.MAIN:
        return f"only the branch {base.MAIN} promotes"
    if os.environ.get("CI") and embedded_store(tracking_uri()):
        return "the MLflow store is a file that goes with this runner; MLFLOW_TRACKING_URI names one that stays"
    return None


def look_at_new_data(ingest: IngestParams, strip: StripParams) -> drift.Drift | None:
    """How the champion, or the last model where there is none, does on strips that are new in data/external."""
    if ingest.source != "npy" or not (TRAIN / "sums.npy").exists():
        return None
    found = drift.new_strips(EXTERNAL, RAW, strip.digits, strip.height, strip.width)
    if found is None:
        return None
    judge, model = last_judge()
    if model is None or (model.data.digits, model.data.height, model.data.width) != (
        strip.digits,
        strip.height,
        strip.width,
    ):
        return None
    files, strips = found
    return drift.look(files, Strips.read(TRAIN), strips, model, judge)


def last_judge() -> tuple[str, SumModel | None]:
    """The champion, or where its model is not to be had, the model in the working tree; in words, and itself."""
    with suppress(InputError), opened() as store:
        champion = Registry(store).holder(CHAMPION)
        if champion and (row := store.run(champion.run)):
            return f"the champion (version {champion.number})", Candidate(store, row).model()
    with suppress(InputError):  # none, or one that this code cannot read
        return "the last model", read_model(MODEL)
    return "", None


def model_sentence(known: list[dict[str, Any]], after: Occurrence, stages: list[pipeline.Outcome]) -> str:
    """What there is to say of the model's checksum, against earlier trainings with the same inputs."""
    (train,) = (essence for essence in after.stages.values() if MODEL.as_posix() in essence["outs"])
    md5 = train["outs"][MODEL.as_posix()]
    inputs = {name: train[name] for name in ("cmd", "params", "deps")}
    earlier = [entry["outs"][MODEL.as_posix()] for entry in known if {name: entry[name] for name in inputs} == inputs]
    ran = any(outcome.manner == "run" and outcome.stage == "train" for outcome in stages)
    said = f"The model has the MD5 {md5}"
    if not ran:
        return f"{said}; it was not trained again."
    if not earlier:
        return f"{said}; nothing was trained from this code, data and params before."
    others = sorted(set(earlier) - {md5})
    if others:
        return f"{said}, but the same code, data and params gave {', '.join(others[:3])} before: on another machine?"
    return f"{said}: trained again from the same code, data and params, it is the same, byte for byte."


def story(
    before: Occurrence | None,
    after: Occurrence,
    stages: list[pipeline.Outcome],
    verdict: str,
    ending: str,
    seen: drift.Drift | None,
    model: str,
    link: Markup,
    options: Options,
) -> Story:
    pair = base.paired(before, after) if before else None
    ran = [outcome.stage for outcome in stages if outcome.manner == "run"]
    accuracy = after.metrics.get("accuracy")
    title = f"{accuracy:.2%} of the test sums right" if accuracy is not None else "Retrained"
    title += f", {ending}; ran {', '.join(ran)}" if ran else f", {ending}; nothing had to run"
    return Story(
        title=title,
        base=f"{base.MAIN} at {before.commit[:10]}" if before else base.MAIN,
        metrics=after.metrics,
        intervals=intervals(after.metrics),
        metrics_before=before.metrics if before else {},
        comparison=base.comparison(pair),
        verdict=verdict,
        params=base.changed_params(before, load_yaml(Path(PARAMS).read_text())),
        stages=stages,
        pairs=base.moved_pairs(pair),
        drift=seen,
        model=model,
        links={"MLflow": link} | ci_links(),
        commands=commands(after.commit, options),
    )


def intervals(metrics: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Of every figure that has one."""
    found = {}
    if FIGURES.exists():
        table, columns = pd.read_csv(FIGURES), ["figure", "low", "high"]
        found = {str(name): (float(low), float(high)) for name, low, high in table[columns].to_numpy()}
    for name in metrics:
        if f"{name}_low" in metrics:
            found[name] = metrics[f"{name}_low"], metrics[f"{name}_high"]
    return found


def link_of_row(store: Store, run: str) -> Markup:
    uri = store.uri
    if not uri.startswith(("http://", "https://")):
        return Markup("run <code>") + escaped(run) + Markup("</code> of the store on the machine that trained")
    parts = urlsplit(uri)
    place = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))  # no password
    return Markup(f"[run {run[:8]}](<{quote(place, safe=':/')}/{store.page(run)}>)")


def ci_links() -> dict[str, Markup]:
    """To the reports, where GitHub or GitLab tells of them."""
    if run := os.environ.get("GITHUB_RUN_ID"):
        place = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}/actions/runs/{run}"
        return {"Report": Markup(f"[report.html and all tables](<{quote(place, safe=':/')}#artifacts>)")}
    if job := os.environ.get("CI_JOB_URL"):
        return {"Report": Markup(f"[report.html and all tables](<{quote(job, safe=':/')}/artifacts/browse>)")}
    return {}


def commands(commit: str, options: Options) -> list[str]:
    """Of what is checked before: a commit, and overrides without anything that a shell would act upon."""
    again = " ".join(["make retrain", *([f"SET='{options.changes}'"] if options.changes.split() else [])])
    pull = "dvc pull --run-cache --allow-missing  # where the remote may be read; else all is made again"
    lines = ["git fetch origin", f"git checkout {commit}", pull, f"{again} LOCAL=1", "xdg-open reports/report.html"]
    return [Markup(line) for line in lines]
