"""How fast images are read: PYTHONPATH=. python benchmarks/predict_speed.py [--threads 2]

With the model of the last pipeline run and its test strips, measured in turns, since clock rates drift:
- images/s of `python -m digitsum predict` once its model is loaded, from a .npy file and from PNG files, as a share
  of those of the bare network, on batches of the same size in memory;
- milliseconds for a single image once the model is loaded, from its bytes to its answer: a strip, and a drawing of
  840 x 200 pixels that must be made a strip first.
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

from digitsum.model import BATCH_SIZE
from digitsum.model.devices import describe, prepare
from digitsum.model.model_file import read_model
from digitsum.model.prediction import predict_batch
from digitsum.places import MODEL, TEST
from digitsum.reading.fitting import to_strip
from digitsum.reading.images import decode
from digitsum.reading.predict import answer_all
from digitsum.reading.reader import Reader

ROUNDS, SINGLES = 5, 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    parser.add_argument("--images", type=int, default=1000)
    arguments = parser.parse_args()
    device = prepare("auto", arguments.threads, "--device")
    print(", ".join(f"{name} {value}" for name, value in describe(device).items()))
    model = read_model(MODEL).to(device).eval()
    reader = Reader(model)
    strips = np.array(np.load(TEST[0])[: arguments.images])
    batches = torch.from_numpy(strips).to(device).split(arguments.batch_size)

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
                    answer_all(given, reader, arguments.batch_size)

            whole()
            bare()
            rounds = [(seconds(bare), seconds(whole)) for _ in range(ROUNDS)]
            share = statistics.median(alone / together for alone, together in rounds)
            alone, together = (len(strips) / min(times) for times in zip(*rounds, strict=True))
            print(
                f"{what}: {together:,.0f} images/s, the bare network {alone:,.0f} at batches of "
                f"{arguments.batch_size}: {share:.0%} (median of {ROUNDS} pairs)"
            )

    drawing = np.asarray(Image.fromarray(255 - strips[0]).resize((840, 200), Image.Resampling.BICUBIC))
    for what, image in (("strip", strips[0]), ("drawing of 840 x 200 pixels", drawing)):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        content = buffer.getvalue()

        def one(content: bytes = content) -> None:
            reader.read([to_strip(decode(content, "x")[0], reader.format)])

        one()
        times = sorted(1000 * seconds(one) for _ in range(SINGLES))
        print(f"a single {what}: {statistics.median(times):.1f} ms (median of {SINGLES}; the fastest {times[0]:.1f})")


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
