"""Reads images of digits for `python -m digitsum predict`: a row on standard output for each."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from digitsum.errors import InputError
from digitsum.formats import read_array
from digitsum.model.devices import prepare
from digitsum.model.model_file import read_model
from digitsum.progress import Progress
from digitsum.reading.drawing import Pictures
from digitsum.reading.fitting import FittedStrip, to_strip
from digitsum.reading.images import MOST_BYTES, GrayImage, decode, read_images
from digitsum.reading.reader import Answer, Count, Reader

COLUMNS = ("file", "index", "sum", "probability", "digits", "positions", "likeliest")


@dataclass(frozen=True)
class FileImage:
    """The `index`-th image of a file, counted from 0, and the strip made of it; `image` is None if not needed.

    `name` is what errors call it.
    """

    file: str
    index: int
    name: str
    image: GrayImage | None
    strip: FittedStrip


Write = Callable[[FileImage, Answer], None]


def predict(
    files: list[str],
    model: Path,
    form: Literal["csv", "json"],
    draw: Path | None,
    batch_size: int,
    count: Count,
    device: Literal["auto", "cpu", "cuda", "mps"],
    threads: int,
) -> int:
    """`answer_all` with the model in a file."""
    reader = Reader(read_model(model).to(prepare(device, threads, "--device")), count)
    return answer_all(files, reader, batch_size, form, draw)


def answer_all(
    files: list[str], reader: Reader, batch_size: int, form: Literal["csv", "json"] = "csv", draw: Path | None = None
) -> int:
    """Writes a row for each image to standard output, and a line to standard error for each refused file or image.

    Args:
        files: names; `-` is standard input.

    Returns:
        The number of files and images that were refused.
    """
    write, pictures = ROWS[form](), None if draw is None else Pictures(draw, files)
    refusals: list[str] = []

    def refuse(reason: str) -> None:
        refusals.append(reason)
        print(f"error: {reason}", file=sys.stderr)

    items = strips_of(files, reader, refuse, keep_images=pictures is not None)
    # the progress bar must not stand among the rows
    with redirect_stdout(sys.stderr), Progress("predict", sum(map(_images_in, files)), "images") as progress:
        while batch := list(islice(items, batch_size)):
            for item, answer in zip(batch, reader.read([item.strip for item in batch], batch_size), strict=True):
                if isinstance(answer, InputError):
                    refuse(f"{item.name}: {answer}")
                    continue
                write(item, answer)
                if pictures is not None and item.image is not None:
                    pictures.write(item.file, item.image, answer)
            progress.advance(len(batch))
    return len(refusals)


def strips_of(
    files: Iterable[str], reader: Reader, refuse: Callable[[str], None], keep_images: bool = False
) -> Iterator[FileImage]:
    """The images in the files, in order, each with its strip; `refuse` takes the reason for each that has none."""
    for file in files:
        try:
            images = decode(sys.stdin.buffer.read(MOST_BYTES + 1), file) if file == "-" else read_images(Path(file))
        except InputError as error:
            refuse(str(error))
            continue
        for index, image in enumerate(images):
            name = f"{file}[{index}]" if len(images) > 1 else file
            try:
                strip = to_strip(image.pixels, reader.format, image.reduction)
            except InputError as error:
                refuse(f"{name}: {error}")
            else:
                yield FileImage(file, index, name, image if keep_images else None, strip)


def _images_in(file: str) -> int:
    """The number of images in a file, as far as it is known without reading them."""
    try:
        return read_array(Path(file)).shape[0] if file.endswith(".npy") else 1
    except (InputError, IndexError):
        return 1


def _csv() -> Write:
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(COLUMNS)

    def write(item: FileImage, answer: Answer) -> None:
        digits, positions = (" ".join(map(str, numbers or ())) for numbers in (answer.digits, answer.positions))
        likeliest = " ".join(f"{total}:{probability:.6f}" for total, probability in answer.likeliest)
        rows.writerow([item.file, item.index, answer.sum, f"{answer.probability:.6f}", digits, positions, likeliest])

    return write


def _json() -> Write:
    out = sys.stdout

    def write(item: FileImage, answer: Answer) -> None:
        likeliest = [{"sum": total, "probability": round(probability, 6)} for total, probability in answer.likeliest]
        rounded = {"probability": round(answer.probability, 6), "likeliest": likeliest}
        row = {"file": item.file, "index": item.index, **asdict(answer), **rounded}
        out.write(json.dumps(row) + "\n")

    return write


ROWS: dict[str, Callable[[], Write]] = {"csv": _csv, "json": _json}
