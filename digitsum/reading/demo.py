"""Serves a page on which to draw or drop an image, to this machine only; the page needs no network."""

import base64
import io
from asyncio import Semaphore, wait_for
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from jaxtyping import UInt8
from PIL import Image
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from digitsum.errors import InputError
from digitsum.model.architecture import SumModel
from digitsum.model.devices import prepare
from digitsum.model.model_file import read_model
from digitsum.places import PROCESSED
from digitsum.ports import require_free
from digitsum.reading.fitting import to_strip
from digitsum.reading.images import decode
from digitsum.reading.reader import AUTO_OPTION, Count, Reader
from digitsum.strips.dataset import Strips
from digitsum.strips.sources import SOURCES

PAGE = Path(__file__).with_name("demo.html")
TEST = PROCESSED / "test"
MOST_BYTES = 32_000_000  # in the body of a request
TOO_MANY_BYTES = f"more than {MOST_BYTES // 1_000_000} MB; make the image smaller"
SECONDS = 20  # in which the body of a request must arrive
HOSTS = ["127.0.0.1", "localhost"]
THREADS = 2  # of the CPU
AUTO_CHOICE = "the choice 'as many as it sees' reads what is there"


def serve(model: Path, port: int) -> None:
    """Serves the page until control-C.

    Raises:
        InputError: if the port is taken or the model cannot be read.
    """
    require_free(port, "make demo")
    app = application(read_model(model).to(prepare("cpu", THREADS, "--device")))
    print(f"demo      http://127.0.0.1:{port}\n(control-C stops it)", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def application(model: SumModel) -> FastAPI:
    """Serves the page, a description of the model, random test strips, and the readings of images in requests."""
    app = FastAPI(openapi_url=None)  # FastAPI's pages of documentation need a network
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    counts = model.head.any_width
    reader_for = lru_cache(maxsize=16)(partial(Reader, model))
    one_at_a_time = Semaphore()
    rng = np.random.default_rng()

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(PAGE, headers={"Cache-Control": "no-store"})

    @app.get("/model")
    def about() -> dict[str, Any]:
        return {
            "source": SOURCES[model.data.source].title,
            "head": model.params.head,
            "digits": model.data.digits,
            "counts": counts,
            "example": (TEST / "strips.npy").exists(),
        }

    @app.get("/example")
    def example() -> Response:
        try:
            strips = Strips.read(TEST)
        except InputError as error:
            raise HTTPException(404, str(error)) from error
        number = int(rng.integers(len(strips)))
        return Response(
            _png(strips.images[number]), media_type="image/png", headers={"X-Sum": str(strips.sums[number])}
        )

    @app.post("/read")
    async def read(request: Request, count: int = 0) -> dict[str, Any]:
        """The reading of the image in the request, as `count` digits; 0 leaves the number to the model."""
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            raise HTTPException(403, f"a page of {origin[:100]} asks; open the page of this server instead")
        wanted: Count = count or ("auto" if counts else None)
        # a body is held, decoded and read before the next one is received, so that many requests need no more memory
        async with one_at_a_time:
            try:
                content = await wait_for(_body(request), SECONDS)
                return await run_in_threadpool(answer, content, wanted)
            except ClientDisconnect:
                raise HTTPException(499, "the client went away") from None
            except TimeoutError:
                raise HTTPException(408, f"the image did not arrive within {SECONDS} seconds") from None
            except InputError as error:
                raise HTTPException(400, str(error).removeprefix("the image: ")) from error

    def answer(content: bytes, count: Count) -> dict[str, Any]:
        image = decode(content, "the image")[0]
        reader = reader_for(count)
        strip = to_strip(image.pixels, reader.format, image.reduction)
        (reading,) = reader.read([strip])
        if isinstance(reading, InputError):
            raise InputError(str(reading).replace(AUTO_OPTION, AUTO_CHOICE))
        shown = "data:image/png;base64," + base64.b64encode(_png(strip.image)).decode()
        height, width = (side * image.reduction for side in image.pixels.shape)
        return {**vars(reading), "width": width, "height": height, "strip": shown}

    return app


async def _body(request: Request) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES:
            raise HTTPException(413, TOO_MANY_BYTES)
    return bytes(content)


def _png(image: UInt8[np.ndarray, "h w"]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
