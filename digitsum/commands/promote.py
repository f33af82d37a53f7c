"""Judge a model against the champion on the same test strips, and make it the champion if it passes the gate."""

import sys
from argparse import ArgumentParser

from digitsum.tracking import NAMES

EXAMPLE = "python -m digitsum promote models/model.safetensors --dry-run"
REFUSED = 3  # the exit code where the gate refuses; errors exit with 1


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", metavar="RESULT", help=NAMES)
    parser.add_argument("--dry-run", action="store_true", help="print the verdict and change nothing")
    parser.add_argument("--anew", action="store_true", help="judge by the floors only, not against the champion")


def run(what: str, dry_run: bool, anew: bool) -> None:
    from digitsum.judging.promotion import promote
    from digitsum.model.devices import prepare
    from digitsum.params.evaluate import EvaluateParams
    from digitsum.params.gate import GateParams
    from digitsum.params.loader import read_params
    from digitsum.tracking.rows.store import opened

    params = read_params()
    evaluate = params[EvaluateParams]
    prepare("cpu", evaluate.threads, "evaluate.threads")
    with opened() as store:
        decision = promote(store, what, params[GateParams], evaluate.batch_size, dry_run, anew)
    print(decision)
    if not decision.promoted:
        sys.exit(REFUSED)
