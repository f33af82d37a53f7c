"""How fast a model answers images: PYTHONPATH=. python benchmarks/predict_speed.py [--threads 2]

It takes the model and the test strips of the last run. Measurements alternate, since clock speeds drift:
- images/s of `python -m digitsum predict` after loading the model, from a .npy file and from PNG files, as a share of
  the images/s of the network alone, on batches of the same size in memory;
- milliseconds for a single image after loading the model, from its bytes to the answer: for a strip, and for a drawing
  of 840 x 200 pixels that must be fitted to a strip.
"""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from digitsum.model.devices import describe, prepare
from digitsum.model.model_file import read_model
from digitsum.model.precision import is_faster_in_bfloat16
from digitsum.model.prediction import predict_batch
from digitsum.places import MODEL, TEST
from digitsum.reading.images import decode
from digitsum.reading.predict import answer_all
from digitsum.reading.reader import Reader

ROUNDS, SINGLES = 5, 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=250)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="a small run of seconds, whose numbers mean nothing")
    words = parser.parse_args()
    rounds_of_each, singles = (1, 3) if words.quick else (ROUNDS, SINGLES)
    device = prepare("auto", words.threads, "--device")
    print(", ".join(f"{name} {value}" for name, value in describe(device).items()))
    model = read_model(MODEL).to(device).eval()
    model.in_bfloat16 = is_faster_in_bfloat16(model)
    reader = Reader(model)
    strips = np.array(np.load(TEST[0])[: 20 if words.quick else words.images])
    batches = torch.split(torch.from_numpy(strips).to(device), words.batch_size)

    def bare() -> None:
        with torch.inference_mode():
            for batch in batches:
                predict_batch(model, batch, model.params.shifts, None)[0].cpu()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "all.npy", strips)
        files = [str(folder / f"{number}.png") for number in range(len(strips))]
        for file, strip in zip(files, strips, strict=True):
            Image.fromarray(strip).save(file)
        for what, given in ((".npy", [str(folder / "all.npy")]), ("PNG", files)):

            def whole(given: list[str] = given) -> None:
                with redirect_stdout(io.StringIO()):
                    answer_all(given, reader, words.batch_size)

            whole()
            bare()
            rounds = [(seconds(bare), seconds(whole)) for _ in range(rounds_of_each)]
            share = statistics.median(alone / together for alone, together in rounds)
            alone, together = (len(strips) / min(times) for times in zip(*rounds, strict=True))
            print(
                f"{what}: {together:,.0f} images/s, the network alone {alone:,.0f} at batches of {words.batch_size}: "
                f"{share:.0%} (median of {rounds_of_each} pairs)"
            )

    drawing = np.asarray(Image.fromarray(255 - strips[0]).resize((840, 200), Image.Resampling.BICUBIC))
    for what, image in (("strip", strips[0]), ("drawing of 840 x 200 pixels", drawing)):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        content = buffer.getvalue()

        def one(content: bytes = content) -> None:
            reader.answer(decode(content, "x")[0])

        one()
        times = sorted(1000 * seconds(one) for _ in range(singles))
        print(f"a single {what}: {statistics.median(times):.1f} ms (median of {singles}; the fastest {times[0]:.1f})")


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
