"""The page to try a model by hand, in a real browser."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
import uvicorn
from conftest import Opener
from PIL import Image
from playwright.sync_api import Page, Route
from servers import free_port

from digitsum.errors import InputError
from digitsum.model.architecture import SumModel
from digitsum.model.model_file import write_model
from digitsum.model.prediction import predict
from digitsum.params.model import ModelParams
from digitsum.reading.demo import MOST_BYTES, application, serve
from digitsum.strips.compose import Layout, compose
from digitsum.strips.dataset import Description
from digitsum.strips.sources.digits import sklearn_digits


@pytest.fixture
def model(tiny_model_params: ModelParams, description: Description) -> SumModel:
    torch.manual_seed(0)
    return SumModel(tiny_model_params, description)


@pytest.fixture
def address(model: SumModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    layout = Layout(4, 40, 168, (4, 10), (36, 42), (2, 10))
    compose(sklearn_digits(), layout, 3, np.random.default_rng(0))[0].write(tmp_path / "data/processed/test")
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(application(model), host="127.0.0.1", port=port, log_level="warning"))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("width", [1280, 390])
def test_drawn_and_dropped_images_are_read(
    address: str, model: SumModel, tmp_path: Path, width: int, page: Opener
) -> None:
    strips = np.load("data/processed/test/strips.npy")
    Image.fromarray(strips[0]).save("strip.png")
    Path("text.png").write_text("hello")
    said = predict(model, strips[:1])
    with page(width, 800) as tab:
        asked: list[str] = []
        complaints: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(address)
        tab.get_by_text("Write digits next to each other").wait_for()
        assert tab.get_by_role("main").count() == 1
        assert tab.locator("#count").input_value() == "0", "as many as it sees"
        tab.locator("#count").select_option("4")

        box = tab.locator("#canvas").bounding_box()
        for number in range(4):  # sevens
            x, y = box["x"] + box["width"] * (0.1 + 0.22 * number), box["y"] + box["height"] * 0.25
            tab.mouse.move(x, y)
            tab.mouse.down()
            tab.mouse.move(x + box["width"] * 0.1, y, steps=5)
            tab.mouse.move(x + box["width"] * 0.04, y + box["height"] * 0.5, steps=5)
            tab.mouse.up()
        tab.locator("#answer").wait_for(state="visible")
        tab.screenshot(path=tmp_path / "drawn.png")
        assert tab.locator("#marks span").count() == 4
        assert "% sure" in tab.locator("#words").inner_text()
        assert tab.locator("#seen").evaluate("image => image.naturalWidth") == 168
        assert tab.locator("#others").inner_text().startswith("or ")
        assert tab.get_by_text("Write digits").is_hidden()
        tab.get_by_text("Undo").click()
        for _ in range(3):
            tab.keyboard.press("Control+z")
        tab.locator("#answer").wait_for(state="hidden")

        tab.locator("#file").set_input_files("strip.png")
        tab.locator("#answer").wait_for(state="visible")
        assert tab.locator("#sum").inner_text() == str(said.log_probability.argmax())
        marks = tab.locator("#marks span")
        assert [int(text) for text in marks.all_inner_texts()] == said.digits[0].tolist()
        lefts = [float(mark.evaluate("mark => parseFloat(mark.style.left)")) for mark in marks.all()]
        assert lefts == pytest.approx(100 * said.centres[0] / 168, abs=0.1)
        tab.locator("#count").select_option("6")
        marks.nth(5).wait_for()
        tab.get_by_text("A test strip").click()
        tab.get_by_text("% sure, ").wait_for()
        assert not complaints

        tab.locator("#file").set_input_files("text.png")
        tab.get_by_text("Refused: not an image, or damaged").wait_for()
        assert tab.locator("#dropped").is_hidden()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert all(url.startswith((address, "blob:", "data:")) for url in asked)


def test_an_answer_belongs_to_the_image_that_is_shown(address: str, page: Opener) -> None:
    """However slow the browser encodes a drawing, and the server sends a test strip."""
    strips = np.load("data/processed/test/strips.npy")
    Image.fromarray(strips[0]).save("strip.png")

    def draw(tab: Page) -> None:
        box = tab.locator("#canvas").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 4
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x, y + box["height"] / 2, steps=5)
        tab.mouse.up()

    with page(800, 800) as tab:
        tab.add_init_script(
            """
            const encode = HTMLCanvasElement.prototype.toBlob;
            HTMLCanvasElement.prototype.toBlob = function (done, type) {
              window.encoding = (window.encoding ?? 0) + 1;
              encode.call(this, blob => setTimeout(() => {
                done(blob);
                window.encoded = (window.encoded ?? 0) + 1;
              }, 1000), type);
            };
            """
        )
        tab.goto(address)
        read = []
        tab.on("requestfinished", lambda request: read.append(request.url) if "/read?" in request.url else None)

        draw(tab)
        tab.wait_for_function("window.encoding === 1")
        tab.get_by_text("Undo").click()
        tab.wait_for_function("window.encoded === 1")
        _wait_until(tab, lambda: len(read) == 1)
        tab.wait_for_timeout(100)
        assert tab.locator("#answer").is_hidden(), "of a drawing that was taken back"

        draw(tab)
        tab.wait_for_function("window.encoding === 2")
        tab.locator("#file").set_input_files("strip.png")
        tab.locator("#answer").wait_for()
        seen = tab.locator("#seen").get_attribute("src")
        tab.wait_for_function("window.encoded === 2")
        _wait_until(tab, lambda: len(read) == 3)
        tab.wait_for_timeout(100)
        assert tab.locator("#seen").get_attribute("src") == seen, "of the file, not of the drawing before it"

        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        tab.route("**/read?*", hold)
        tab.locator("#file").set_input_files("strip.png")
        _wait_until(tab, lambda: bool(held))
        assert tab.locator("#answer").is_hidden(), "of the image before it"
        held.pop().continue_()
        tab.locator("#answer").wait_for()
        tab.unroute("**/read?*")

        tab.route("**/example", hold)
        tab.get_by_text("A test strip").click()
        _wait_until(tab, lambda: bool(held))
        draw(tab)
        with tab.expect_response("**/example"):
            held.pop().continue_()
        tab.locator("#answer").wait_for()
        assert tab.locator("#dropped").is_hidden(), "a strip that came late does not replace a drawing"


def _wait_until(tab: Page, true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        tab.wait_for_timeout(20)  # events arrive meanwhile
    raise AssertionError("10 s have passed")


def test_several_files_each_get_an_answer(address: str, page: Opener) -> None:
    strips = np.load("data/processed/test/strips.npy")
    Image.fromarray(strips[0]).save("strip.png")
    Path("text.png").write_text("hello")
    with page(390, 800) as tab:
        tab.goto(address)
        tab.get_by_text("as many as it sees").wait_for(state="attached")
        Image.fromarray(strips[1]).resize((168, 900)).save("tall.png")
        tab.locator("#file").set_input_files(["strip.png", "text.png", "tall.png"])
        tab.locator("#files .bad").first.wait_for()
        tab.wait_for_function("document.querySelectorAll('#files li span:last-child:not(:empty)').length === 3")
        assert tab.locator("#files li").count() == 3
        assert "% sure" in tab.locator("#files li").first.inner_text()
        assert "not an image, or damaged" in tab.locator("#files li").nth(1).inner_text()
        tab.locator("#files button").nth(2).click()
        assert tab.locator("#dropped").bounding_box()["height"] <= 0.4 * 800
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_requests_from_elsewhere_are_refused(address: str) -> None:
    def code(request: Request) -> int:
        with pytest.raises(HTTPError) as refused:
            urlopen(request, timeout=30)
        with refused.value as answer:  # else its socket stays open
            return answer.code

    assert code(Request(address, headers={"Host": "example.org"})) == 400
    assert code(Request(f"{address}/read", data=b"")) == 400
    assert code(Request(f"{address}/read", data=bytes(MOST_BYTES + 1))) == 413
    for origin in ("https://example.org", "null", "http://127.0.0.1:1"):
        assert code(Request(f"{address}/read", data=b"x", headers={"Origin": origin})) == 403
    assert code(Request(f"{address}/read", data=b"x", headers={"Origin": address})) == 400


def test_client_that_goes_away_leaves_no_traceback(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"POST /read HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 999\r\n\r\nhello".encode())
    with urlopen(f"{address}/model", timeout=30) as answer:  # the next one is not blocked
        assert answer.status == 200
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(f"{address}/read", data=b"hello"), timeout=30)
    refused.value.close()
    assert "Traceback" not in capfd.readouterr().err


def test_taken_port_is_refused(address: str, model: SumModel, tmp_path: Path) -> None:
    port = int(address.rsplit(":", 1)[1])
    write_model(model, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=f"port {port} is taken; make demo PORT={port + 1}"):
        serve(tmp_path / "model.safetensors", port)
