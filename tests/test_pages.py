"""The pages that a person opens, in a real browser."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from conftest import Opener
from servers import free_port
from shell import wait_for
from tracked import a_result

from digitsum.analysis import predictions
from digitsum.analysis.calibration import reliability_with_untempered, risk_by_coverage
from digitsum.analysis.confusion import analyze
from digitsum.analysis.evidence import Evidence
from digitsum.analysis.metric_intervals import with_intervals
from digitsum.analysis.metrics import measure, scores
from digitsum.analysis.report import Evaluation, render_report
from digitsum.analysis.slices import TOUCHING, by_slice, slices
from digitsum.files import write_text
from digitsum.tracking.rows.add import add
from digitsum.tracking.rows.store import Metric, Store
from digitsum.tracking.ui import COMPARED, comparison


@pytest.mark.slow
def test_ui_prints_its_pages_and_no_word_of_the_server(tmp_path: Path, empty_store: Path) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    here = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}", "DVC_ROOT": str(tmp_path)}
    words = [sys.executable, "-m", "digitsum", "ui", "--port", str(free_port())]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(words, env=here, start_new_session=True, **streams) as process:
        try:
            lines = wait_for(process, "(control-C ends it)")
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            assert process.wait(60) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert [line.split()[0] for line in lines] == ["mlflow:", "results", "charts", "compare", "(control-C"]
    assert all("workflowType=machine_learning" in line for line in lines[1:4])
    assert "Uvicorn running" in (tmp_path / ".digitsum" / "mlflow.log").read_text()


MODEL = {
    "params": {"head": "columns", "backbone": "small"},
    "data": {"source": "digits"},
    "trained_on": {"recipe": {"epochs": 2}},
}


def test_pages_of_mlflow_show_results_their_curves_and_their_files(
    tmp_path: Path, mlflow_server: Opener, page: Opener, empty_store: Path
) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    store = Store.at(uri)
    assert comparison("http://here", store) == f"http://here/{store.page()}"
    for number in range(COMPARED + 1):
        result = a_result(f"{number:032x}")
        if number < 2:
            make = store.begin("make", {"digitsum.stage": "make", "digitsum.made": result.stage_key("make")}, 1)
            store.log(make, [Metric("train_loss", (1 + number) / step, step, step) for step in range(1, 8)], {})
            store.end(make, "FINISHED", 9)
        add(store, result)
    newest = store.newest(COMPARED)
    store.log_text(newest[0].id, "<h1>Nearly all sums right</h1>", "report.html")
    with mlflow_server(uri, tmp_path / "artifacts") as address, page() as tab:

        def see(*words: str) -> None:
            for word in words:
                tab.get_by_text(word, exact=True).first.wait_for(timeout=60_000)

        tab.goto(f"{address}/{store.page()}")
        see(*(run.name for run in newest))
        assert tab.get_by_text("No data available").count() == 0
        tab.screenshot(path=tmp_path / "runs.png")

        tab.goto(f"{address}/{store.charts_page()}")
        tab.get_by_placeholder("Search metric charts").fill("train_loss")
        curves = "[...document.querySelectorAll('.js-plotly-plot')].map(plot => plot.data)"
        lines = "new Set(data.filter(line => line.x.length === 7).map(line => line.y[6])).size"
        tab.wait_for_function(f"{curves}.some(data => {lines} === 2)", timeout=60_000)
        tab.screenshot(path=tmp_path / "charts.png")

        tab.goto(comparison(address, store))
        tab.get_by_text(f"Comparing {COMPARED} Runs").first.wait_for(timeout=60_000)
        see("accuracy", "mistakes", "p.q", newest[0].name)

        tab.goto(f"{address}/{store.page(newest[0].id)}")
        see("Artifacts", "Description")
        tab.get_by_text(f"python -m digitsum reproduce {newest[0].id}").first.wait_for(timeout=60_000)
        tab.get_by_text("Artifacts", exact=True).first.click()
        tab.get_by_text("report.html").first.click()
        tab.frame_locator("iframe").get_by_text("Nearly all sums right").wait_for(timeout=60_000)
        tab.screenshot(path=tmp_path / "artifacts.png")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a model that is often wrong, on strips with known digits."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_text(path, page_of_mistakes(known=True))
    return path


def page_of_mistakes(known: bool) -> str:
    """The page of a model that is often wrong, on strips whose digits may be known."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, (600, 4))
    read = np.where(rng.random((600, 4)) < 0.1, rng.integers(0, 10, (600, 4)), truth)
    centres = np.broadcast_to([20, 50, 90, 130], truth.shape)
    sums, predicted = truth.sum(axis=1), read.sum(axis=1)
    log_probability = np.full((600, 37), np.log(0.01 / 36))
    log_probability[np.arange(600), predicted] = np.log(0.99)
    numbers = {"read": read, "centres": centres, "read_given_sum": truth, "centres_given_sum": centres}
    known_numbers = {"digits": truth, "digit_centres": centres} if known else {}
    table = predictions.tabulate(sums, log_probability, numbers | known_numbers)
    images = rng.integers(0, 256, (600, 40, 168), dtype=np.uint8)
    parts = slices(images, table, 4)
    readings = {"read": read, "read_centres": centres} | ({"digits": truth, "centres": centres} if known else {})
    evidence = Evidence(sums, log_probability, log_probability, 1.0, parts[TOUCHING], **readings)
    return render_report(MODEL, evaluated(evidence, parts), analyze(table, 36), images, shown=20)


def evaluated(evidence: Evidence, parts: dict[str, np.ndarray]) -> Evaluation:
    """The tables that evaluate writes."""
    figures = with_intervals(evidence)
    return Evaluation(
        measure(evidence, figures),
        figures,
        by_slice(parts, scores(evidence)),
        reliability_with_untempered(evidence.confidence, evidence.untempered.max(axis=1), evidence.correct),
        risk_by_coverage(evidence.confidence, evidence.correct),
    )


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report_opens_offline_at_any_width(report: Path, width: int, scheme: str, page: Opener) -> None:
    assert report.stat().st_size < 5_000_000
    assert not re.search(r"(src|href)=.?(https?:)?//", report.read_text())
    with page(width) as tab:
        faults: list[str] = []
        tab.on("console", lambda message: faults.append(message.text))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.context.set_offline(True)
        tab.emulate_media(color_scheme=scheme)
        tab.goto(report.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, "something is cut off"
        for name in ("matrix", "digits-inferred", "digits-known"):
            assert tab.locator(f"#{name}").is_visible()
        for gallery in ("mistakes", "pair-examples"):
            assert tab.locator(f"#{gallery} svg").first.is_visible()
        assert tab.locator("#mistakes svg").count() == 20
        named = "[...document.querySelectorAll('[role=img], img')].every(e => e.getAttribute('aria-label') || e.alt)"
        assert tab.evaluate(named), "a picture says nothing to who cannot see it"
        ground, text = (
            sum(map(int, re.findall(r"\d+", tab.evaluate(f"getComputedStyle(document.body).{name}"))))
            for name in ("backgroundColor", "color")
        )
        assert (ground > text) == (scheme == "light")
        assert faults == []


def test_labels_are_doubted_only_where_they_may_be_wrong(report: Path) -> None:
    """The labels of composed strips, whose digits are known, are right."""
    assert "Labels that look wrong" not in report.read_text()
    page = page_of_mistakes(known=False)
    assert "Labels that look wrong" in page
    assert "labeled " in page


def test_accuracy_has_one_interval_on_the_page(report: Path) -> None:
    page = report.read_text()
    lead = re.search(r"interval is\s+([\d.]+%) to ([\d.]+%)", page)
    assert lead is not None
    row = page[page.index("<tr><td>sums right</td>") :].partition("</tr>")[0]
    assert re.findall(r">([\d.]+%)<", row)[1:3] == list(lead.groups())


def test_cells_of_a_matrix_by_keyboard(report: Path, page: Opener) -> None:
    with page(1280) as tab:
        tab.goto(report.as_uri())
        assert tab.locator("#digits-inferred .cell[tabindex='0']").count() == 1
        tab.locator("#digits-inferred .cell[tabindex='0']").focus()
        says = tab.locator(".matrix:has(#digits-inferred) output")
        assert says.inner_text().startswith("0 taken for 0: ")
        tab.keyboard.press("ArrowDown")
        assert re.match(r"[1-9] taken for 0: ", says.inner_text())
        tab.keyboard.press("ArrowUp")
        assert says.inner_text().startswith("0 taken for 0: ")
        assert tab.locator("#digits-inferred .cell[tabindex='0']").count() == 1


def test_report_shows_cells_changes_shades_and_sorts_tables(report: Path, page: Opener) -> None:
    with page(1280) as tab:
        tab.goto(report.as_uri())
        cell = tab.locator("#matrix .cell").first
        cell.hover()
        says = tab.locator(".matrix:has(#matrix) output").inner_text()
        assert says == cell.locator("title").text_content()
        assert re.fullmatch(r"\d+ taken for \d+: \d+, [\d.]+% of all \d+", says)
        shade = "getComputedStyle(document.querySelector('#matrix .cell')).fillOpacity"
        before = tab.evaluate(shade)
        tab.get_by_label("by share of the true sum").check()
        assert tab.evaluate(shade) != before
        column = "[...document.querySelectorAll('#slices tbody tr')].map(row => parseFloat(row.cells[2].textContent))"
        button = tab.locator("#slices th button").nth(2)
        button.click()
        assert tab.evaluate(column) == sorted(tab.evaluate(column), reverse=True)
        button.press("Enter")
        assert tab.evaluate(column) == sorted(tab.evaluate(column))


def test_report_of_a_model_that_does_not_read_and_is_always_right() -> None:
    sums = np.arange(37)
    log_probability = np.log(np.where(np.eye(37) > 0, 1 - 36e-6, 1e-6))
    table = predictions.tabulate(sums, log_probability, {})
    images = np.zeros((37, 40, 168), np.uint8)
    evidence = Evidence(sums, log_probability, log_probability, 1.0, np.zeros(37, bool))
    evaluation = evaluated(evidence, slices(images, table, 4))
    text = render_report(MODEL, evaluation, analyze(table, 36), images, shown=20)
    assert "None: every sum is right." in text
    assert "digits-inferred" not in text
