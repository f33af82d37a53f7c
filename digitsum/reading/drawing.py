"""Draws the reading of an image below the image."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from digitsum.errors import InputError
from digitsum.files import whole_file
from digitsum.reading.reader import Answer

WIDTH = 672  # pixels: strips four times enlarged
MARGIN, BAND = 12, 44  # pixels: left and right of the image, and above it for the sum and below it for the digits
GREEN, GRAY, WHITE = (26, 127, 75), (70, 70, 70), (255, 255, 255)


class Pictures:
    """A folder of pictures, named after their files; a number keeps names apart."""

    def __init__(self, folder: Path, files: Iterable[str]):
        """
        Raises:
            InputError: if the folder cannot be made, or holds one of the `files`, which a picture could overwrite.
        """
        for file in files:
            if file != "-" and Path(file).resolve().parent == folder.resolve():
                raise InputError(f"{folder}: holds {file}, which a picture could overwrite; name another folder")
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
    """The image, with the sum and its probability above, and each digit below the place where it was read."""
    height, width = image.shape
    scale = WIDTH / width
    high = max(1, round(height * scale))
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    picture = Image.new("RGB", (WIDTH + 2 * MARGIN, high + 2 * BAND), WHITE)
    picture.paste(Image.fromarray(image).resize((WIDTH, high), method), (MARGIN, BAND))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(24)
    pen.text((MARGIN, BAND / 2), f"sum {answer.sum}, {answer.probability:.0%} sure", GRAY, font, "lm")
    for digit, place in zip(answer.digits or (), answer.positions or (), strict=False):
        pen.text((MARGIN + place * scale, high + 1.5 * BAND), str(digit), GREEN, font, "mm")
    if answer.digits is not None and answer.positions is None:
        pen.text((MARGIN, high + 1.5 * BAND), " ".join(map(str, answer.digits)), GREEN, font, "lm")
    return picture
