"""Draws demo.png with the model and data of the last run: PYTHONPATH=.:tests python docs/draw_demo.py [FOLDER]"""

import sys
from pathlib import Path
from threading import Thread

import uvicorn
from browser import page
from servers import free_port

from digitsum.model.model_file import read_model
from digitsum.places import MODEL
from digitsum.reading.demo import application


def main(folder: Path) -> None:
    app, port = application(read_model(MODEL)), free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = Thread(target=server.run)
    with page(780, 690) as tab:
        thread.start()
        while not server.started:
            tab.wait_for_timeout(50)
        tab.goto(f"http://127.0.0.1:{port}")
        tab.get_by_text("A test strip").click()
        tab.locator("#answer").wait_for()
        tab.wait_for_timeout(500)
        tab.screenshot(path=folder / "demo.png")
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main(Path(*sys.argv[1:] or ["docs"]))
