"""Pictures with what was read drawn in."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from digitsum.errors import InputError
from digitsum.files import whole_file
from digitsum.reading.reader import Answer

WIDTH = 672  # pixels: strips four times enlarged
MARGIN, BAND = 12, 44  # pixels: around the image, and for the words above and the digits below it
GREEN, GREY, WHITE = (26, 127, 75), (70, 70, 70), (255, 255, 255)


class Pictures:
    """A folder of them, named after the files; where that would be the same name twice, with a number."""

    def __init__(self, folder: Path, files: Iterable[str]):
        """
        Raises:
            InputError: if it cannot be made, or has one of the `files` in it, which a picture might be written over.
        """
        for file in files:
            if file != "-" and Path(file).resolve().parent == folder.resolve():
                raise InputError(f"{folder}: has {file} in it, and pictures could be written over images; name another")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot be made ({error.strerror}); name a folder for the pictures") from error
        self._folder = folder
        self._names: set[str] = set()

    def write(self, file: str, image: UInt8[np.ndarray, "h w"], answer: Answer) -> Path:
        stem = "standard-input" if file == "-" else Path(file).stem
        name, number = stem, 1
        while name in self._names:
            number += 1
            name = f"{stem}-{number}"
        self._names.add(name)
        path = self._folder / f"{name}.png"
        with whole_file(path) as temporary:
            drawn(image, answer).save(temporary, "PNG")
        return path


def drawn(image: UInt8[np.ndarray, "h w"], answer: Answer) -> Image.Image:
    """The image, above it the sum and how sure it is, below it each digit where it was seen."""
    height, width = image.shape
    scale = WIDTH / width
    high = max(1, round(height * scale))
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    picture = Image.new("RGB", (WIDTH + 2 * MARGIN, high + 2 * BAND), WHITE)
    picture.paste(Image.fromarray(image).resize((WIDTH, high), method), (MARGIN, BAND))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(24)
    pen.text((MARGIN, BAND / 2), f"sum {answer.sum}, {answer.probability:.0%} sure", GREY, font, "lm")
    for digit, place in zip(answer.digits or (), answer.positions or (), strict=False):
        pen.text((MARGIN + place * scale, high + 1.5 * BAND), str(digit), GREEN, font, "mm")
    if answer.digits is not None and answer.positions is None:
        pen.text((MARGIN, high + 1.5 * BAND), " ".join(map(str, answer.digits)), GREEN, font, "lm")
    return picture
