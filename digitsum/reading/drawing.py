"""Draws the reading of an image below the image."""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from digitsum.errors import InputError
from digitsum.files import whole_file
from digitsum.reading.images import GrayImage
from digitsum.reading.reader import Answer

WIDTH, TALLEST = 672, 1344  # pixels: strips four times enlarged
MARGIN, BAND = 12, 44  # pixels: left and right of the image, and above it for the sum and below it for the digits
GREEN, GRAY, WHITE = (26, 127, 75), (70, 70, 70), (255, 255, 255)


def percentages(likeliest: Iterable[tuple[int, float]]) -> list[tuple[int, str]]:
    """Sums with their probabilities as text; what is not certain is never written as 100%."""
    return [(total, f"{share:.0%}" if share < 0.995 else f"{min(share, 0.999):.1%}") for total, share in likeliest]


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

    def write(self, file: str, image: GrayImage, answer: Answer) -> Path:
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


def drawn(image: GrayImage, answer: Answer) -> Image.Image:
    """The image, with the likeliest sums above, and each digit below the place where it was read."""
    height, width = image.pixels.shape
    scale = min(WIDTH / width, TALLEST / height)
    wide, high = (max(1, round(side * scale)) for side in (width, height))
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    picture = Image.new("RGB", (WIDTH + 2 * MARGIN, high + 2 * BAND), WHITE)
    picture.paste(Image.fromarray(image.pixels).resize((wide, high), method), (MARGIN, BAND))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(24)
    others = "".join(f"   {total}: {share}" for total, share in percentages(answer.likeliest[1:]) if share != "0%")
    ((_, sure),) = percentages([(answer.sum, answer.probability)])
    pen.text((MARGIN, BAND / 2), f"sum {answer.sum}, {sure} sure{others}", GRAY, font, "lm")
    for digit, place in zip(answer.digits or (), answer.positions or (), strict=False):
        pen.text((MARGIN + place / image.reduction * scale, high + 1.5 * BAND), str(digit), GREEN, font, "mm")
    if answer.digits is not None and answer.positions is None:
        pen.text((MARGIN, high + 1.5 * BAND), " ".join(map(str, answer.digits)), GREEN, font, "lm")
    return picture
