"""The words of the comment: sentences, links and commands about what a retraining did."""

import os
from collections.abc import Sequence
from urllib.parse import quote

from markupsafe import Markup

from digitsum.errors import InputError
from digitsum.judging.decision import Decision
from digitsum.places import MODEL
from digitsum.retraining.comment import escaped
from digitsum.retraining.dvc_runs import StageRun
from digitsum.tracking.results.dvc_files import Essence
from digitsum.tracking.results.result import Occurrence
from digitsum.tracking.rows.store import Store

PASSED, REFUSED, UNDECIDED = "\u2705", "\u274c", "\u26a0\ufe0f"  # a check mark, a cross, a warning sign


def headline(judgment: Decision | InputError, after: Occurrence) -> tuple[str, str]:
    """What the gate came to: a mark, and a line."""
    if isinstance(judgment, InputError):
        accuracy = after.metrics.get("accuracy")
        return UNDECIDED, "Not judged" + (f": {accuracy:.2%} of the test sums right" if accuracy is not None else "")
    return PASSED if judgment.promoted else REFUSED, judgment.headline


def reason(judgment: Decision | InputError, hindrance: str | None) -> str:
    """Who became champion or did not; a `hindrance` is why nothing may be promoted."""
    if isinstance(judgment, InputError):
        return f"The gate cannot judge: {judgment}."
    return judgment.outcome + (f" Nothing was promoted: {hindrance}." if hindrance is not None else "")


def in_terminal(judgment: Decision | InputError, hindrance: str | None, after: Occurrence) -> str:
    """The verdict as `promote` prints it."""
    if isinstance(judgment, InputError):
        return f"{headline(judgment, after)[1]}\n{reason(judgment, hindrance)}"
    return f"{judgment}" + (f"\n\nNothing was promoted: {hindrance}." if hindrance is not None else "")


def work(stages: Sequence[StageRun]) -> str:
    """What had to run."""
    ran = [stage.name for stage in stages if stage.manner == "run"]
    return f"Ran {', '.join(ran)}" if ran else "Nothing had to run"


def model_sentence(known: Sequence[Essence], after: Occurrence, stages: Sequence[StageRun]) -> str:
    """About the checksum of the model, compared with earlier trainings from the same inputs, which `known` holds."""
    (train,) = (essence for essence in after.stages.values() if MODEL.as_posix() in essence["outs"])
    md5 = train["outs"][MODEL.as_posix()]
    inputs = {name: train[name] for name in ("cmd", "params", "deps")}
    earlier = [entry["outs"][MODEL.as_posix()] for entry in known if {name: entry[name] for name in inputs} == inputs]
    if not any(stage.manner == "run" and stage.name == "train" for stage in stages):
        return f"The model has the MD5 {md5}; it was not trained again."
    if not earlier:
        return f"The model has the MD5 {md5}; nothing was trained from this code, data and params before."
    if others := sorted(set(earlier) - {md5}):
        return (
            f"The model has the MD5 {md5}, but the same code, data and params gave {', '.join(others[:3])} before: on "
            "another machine?"
        )
    return f"The model has the MD5 {md5}: trained again from the same code, data and params, it has the same bytes."


def link_to_row(store: Store, run: str) -> Markup:
    """A link to the row, without passwords; for a store that no browser can open, the run's id."""
    if not store.uri.startswith(("http://", "https://")):
        return Markup("run <code>") + escaped(run) + Markup("</code> in the store of the machine that trained")
    return Markup(f"[run {run[:8]}](<{quote(store.address, safe=':/')}/{store.page(run)}>)")


def links_to_reports() -> dict[str, Markup]:
    """Where GitHub or GitLab keeps the reports of this job; none on other machines."""
    if run := os.environ.get("GITHUB_RUN_ID"):
        place = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}/actions/runs/{run}"
        return {"Report": Markup(f"[report.html and all tables](<{quote(place, safe=':/')}#artifacts>)")}
    if job := os.environ.get("CI_JOB_URL"):
        return {"Report": Markup(f"[report.html and all tables](<{quote(job, safe=':/')}/artifacts/browse>)")}
    return {}


def commands(commit: str, changes: str) -> list[Markup]:
    """Retrain on another machine. `overrides` has checked `changes`, so no shell acts upon them."""
    again = " ".join(["make retrain", *([f"SET='{changes}'"] if changes.split() else [])])
    pull = "dvc pull --run-cache --allow-missing  # if you can read the remote; otherwise every stage runs"
    lines = ["git fetch origin", f"git checkout {commit}", pull, f"{again} LOCAL=1", "xdg-open reports/report.html"]
    return [Markup(line) for line in lines]
