"""Draws comparison.png from MLflow's newest results: PYTHONPATH=.:tests python docs/draw_comparison.py [FOLDER]"""

import sys
from pathlib import Path

from browser import page
from servers import mlflow_server

from digitsum.tracking.rows.settings import tracking_uri
from digitsum.tracking.rows.store import opened

COMPARED = 5  # results


def main(folder: Path) -> None:
    with opened() as store:
        newest = [run.id for run in store.newest(COMPARED)]
        if len(newest) < 2:
            sys.exit(f"error: {store.uri}: {len(newest)} results; a comparison needs two or more")
        with mlflow_server(tracking_uri(), Path("mlartifacts")) as address, page(1300, 1400) as tab:
            tab.goto(f"{address}/{store.comparison_page(newest)}")
            tab.get_by_text("accuracy", exact=True).first.wait_for(timeout=90_000)  # MLflow loads in steps
            tab.get_by_role("button", name="Close").click()  # closes the assistant beside the page
            tab.get_by_role("switch", name="Parameters - Show diff only").click()
            tab.locator(".parcoords .axis").first.wait_for(timeout=90_000)
            tab.wait_for_timeout(500)  # the plot has taken the room of the assistant
            tab.screenshot(path=folder / "comparison.png")


if __name__ == "__main__":
    main(Path(*sys.argv[1:] or ["docs"]))
