"""The pages that a person opens, in a real browser."""

from pathlib import Path

from browser import page
from servers import mlflow_server
from test_outbox import a_result

from digitsum.tracking.rows import Rows
from digitsum.tracking.store import connect, experiment_id
from digitsum.ui import COMPARED, comparison


def test_comparison_shows_the_newest_results_and_what_differs(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = connect(uri)
    rows = Rows(client, experiment_id(client))
    assert comparison("http://here", rows) == f"http://here/#/experiments/{rows.experiment}"
    for number in range(COMPARED + 1):
        rows.add(a_result(f"{number:032x}"))
    names = [run.info.run_name for run in rows.newest(COMPARED)]
    with mlflow_server(uri, tmp_path / "artifacts") as (address, _), page() as tab:
        tab.goto(comparison(address, rows))
        tab.get_by_text(f"Comparing {COMPARED} Runs").first.wait_for(timeout=60_000)
        for word in ("accuracy", "mistakes", "p.q", names[0]):
            tab.get_by_text(word, exact=True).first.wait_for(timeout=60_000)
        tab.goto(f"{address}/#/experiments/{rows.experiment}/runs")
        tab.get_by_text(names[0], exact=True).first.wait_for(timeout=60_000)
        tab.screenshot(path=tmp_path / "runs.png")
