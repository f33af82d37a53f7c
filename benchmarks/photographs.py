"""How a model reads photographs of rows of digits, and what it makes of pictures that show no digits.

    PYTHONPATH=. python benchmarks/photographs.py [MODEL_FILE] [--mnist FOLDER] [--seed 1] [--write FOLDER]

Draws rows of four MNIST test glyphs in 40 ways, from ball pens to a sheet on a desk, and reads each as
`python -m digitsum predict` reads a file. It prints a table in Markdown: sums right, images refused, sums wrong. Then
it draws pictures without digits in several ways, and prints how many are refused, and how many are answered with a
probability of 60% or more. Without a file, it takes the model of the last run.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from digitsum.errors import InputError
from digitsum.model.model_file import read_model
from digitsum.places import MODEL
from digitsum.reading.images import decode
from digitsum.reading.reader import Answer, Reader
from digitsum.strips.glyphs import SIDE, Glyphs
from digitsum.strips.sources.mnist import from_mnist

ROWS, PICTURES = 25, 25  # images of each kind: of digits, without digits
DIGITS = 4
SURE = 0.6  # an answer to a picture without digits must not be as sure as this

Rng = np.random.Generator
Gray = Any  # an array of height x width, in 0..1
Picture = Any  # an array of height x width x 3, or of height x width, in 0..255
Color = tuple[int, int, int]
WHITE, BLACK = (248, 247, 243), (28, 28, 32)


# rows of digits: coverage by ink, 0..1


def row_of(
    glyphs: Glyphs, rng: Rng, gap: tuple[int, int] = (22, 32), warp: Callable[[Gray, Rng], Gray] | None = None
) -> tuple[Gray, int]:
    """A row of digits, enlarged three to seven times, with a margin; and its sum."""
    chosen = rng.integers(len(glyphs), size=DIGITS)
    steps = rng.integers(*gap, size=DIGITS, endpoint=True)
    lefts = np.cumsum(steps) - steps[0]
    canvas = np.zeros((SIDE + 6, lefts[-1] + SIDE), np.float32)
    for glyph, left in zip(glyphs.images[chosen], lefts.tolist(), strict=True):
        top = int(rng.integers(7))
        part = canvas[top : top + SIDE, left : left + SIDE]
        np.maximum(part, glyph / np.float32(255), out=part)
    factor = rng.uniform(3, 7)
    height, width = (round(side * factor) for side in canvas.shape)
    large = np.asarray(Image.fromarray(canvas).resize((width, height), Image.Resampling.BICUBIC))
    coverage = np.clip((ndimage.gaussian_filter(large, factor / 3) - 0.35) / 0.3, 0, 1)
    if warp is not None:
        coverage = warp(coverage, rng)
    margins = [(int(a), int(b)) for a, b in rng.integers(round(2 * factor), round(9 * factor), (2, 2))]
    return np.pad(coverage, margins), int(glyphs.digits[chosen].sum())


def thin(coverage: Gray, _rng: Rng) -> Gray:
    """Strokes less than half as wide."""
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(coverage > 0.5), 1)
    widest = ndimage.maximum_filter(distance, 1 + 2 * round(np.percentile(distance[distance > 1], 95)))
    return np.clip((distance / np.maximum(widest, 1) - 0.6) / 0.1, 0, 1)


def thick(coverage: Gray, _rng: Rng) -> Gray:
    return ndimage.maximum_filter(coverage, 1 + 2 * max(1, len(coverage) // 80))


def rotated(degrees: float) -> Callable[[Gray, Rng], Gray]:
    def warp(coverage: Gray, rng: Rng) -> Gray:
        angle = rng.choice([-1, 1]) * rng.uniform(0.7, 1) * degrees
        return np.clip(ndimage.rotate(coverage, angle, order=1), 0, 1)

    return warp


def perspective(coverage: Gray, rng: Rng) -> Gray:
    """One side of the row is up to a third lower than the other."""
    height, width = coverage.shape
    shrink = rng.uniform(0.15, 0.3) * height / 2
    far = [(0.0, shrink), (0.0, height - shrink), (width, height), (width, 0.0)]
    if rng.random() < 0.5:
        far = [(0.0, 0.0), (0.0, height), (width, height - shrink), (width, shrink)]
    corners = [(0.0, 0.0), (0.0, float(height)), (float(width), float(height)), (float(width), 0.0)]
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(far, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solved = np.linalg.solve(np.array(rows), np.array(corners).ravel())
    image = Image.fromarray(coverage)
    return np.asarray(
        image.transform(image.size, Image.Transform.PERSPECTIVE, solved.tolist(), Image.Resampling.BILINEAR)
    )


# paper, light and cameras: RGB, 0..255


def on_paper(coverage: Gray, ink: Color, paper: Color, opacity: float = 1.0) -> Picture:
    share = (opacity * coverage)[..., None]
    return np.asarray(paper) * (1 - share) + np.asarray(ink) * share


def smooth_noise(shape: tuple[int, ...], sigma: float, rng: Rng) -> Gray:
    """Noise with deviation 1."""
    noise = ndimage.gaussian_filter(rng.normal(size=shape), sigma)
    return noise / noise.std()


def grainy(picture: Picture, sigma: float, rng: Rng) -> Picture:
    return picture + rng.normal(0, sigma, picture.shape[:2])[..., None]


def pinholed(coverage: Gray, rng: Rng) -> Gray:
    """Holes a few pixels wide, as a dry pen leaves them."""
    holes = ndimage.maximum_filter((rng.random(coverage.shape) < 0.02).astype(np.float32), 2)
    return coverage * (1 - holes)


def lit(picture: Picture, light: Gray) -> Picture:
    return picture * light[..., None]


def gradient(shape: tuple[int, ...], rng: Rng, darkest: float) -> Gray:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * x / shape[1] + np.sin(angle) * y / shape[0]
    along = (along - along.min()) / np.ptp(along)
    return 1 - (1 - darkest) * along


def shadow(shape: tuple[int, ...], rng: Rng, darkness: float = 0.5) -> Gray:
    """A hard edge across the row, a pixel or two wide."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    edge = shape[1] * rng.uniform(0.25, 0.75) + rng.uniform(-0.8, 0.8) * (y - shape[0] / 2)
    dark = (x < edge) if rng.random() < 0.5 else (x > edge)
    return 1 - darkness * ndimage.gaussian_filter(dark.astype(float), 1)


def lines(shape: tuple[int, ...], rng: Rng, vertical: bool) -> Gray:
    height, width = shape
    step = rng.uniform(0.25, 0.45) * height
    offset = rng.uniform(0, step)
    y, x = np.mgrid[0:height, 0:width]
    wide = max(1.0, height / 150)
    drawn = (y - offset) % step < wide
    if vertical:
        drawn |= (x - offset) % step < wide
    return drawn.astype(float)


def ruled(ink: Color, line: Color, vertical: bool, strength: float) -> Callable[[Gray, Rng], Picture]:
    def draw(coverage: Gray, rng: Rng) -> Picture:
        picture = on_paper(strength * lines(coverage.shape, rng, vertical), line, WHITE)
        return picture * (1 - coverage[..., None]) + np.asarray(ink) * coverage[..., None]

    return draw


def plain(ink: Color, paper: Color, opacity: float = 1.0) -> Callable[[Gray, Rng], Picture]:
    return lambda coverage, _rng: on_paper(coverage, ink, paper, opacity)


def pencil(coverage: Gray, rng: Rng) -> Picture:
    grain = np.clip(0.6 + 0.15 * smooth_noise(coverage.shape, 1, rng), 0, 1)
    return grainy(on_paper(coverage * grain, (90, 90, 95), WHITE), 2, rng)


def chalk(coverage: Gray, rng: Rng) -> Picture:
    board = on_paper(0.1 * np.clip(smooth_noise(coverage.shape, 12, rng), -1, 2) + 0.1, (200, 210, 200), (38, 62, 50))
    grain = np.clip(0.75 + 0.25 * smooth_noise(coverage.shape, 0.8, rng), 0, 1)
    share = (coverage * grain)[..., None]
    return grainy(board * (1 - share) + np.asarray((235, 235, 228)) * share, 3, rng)


def glare(coverage: Gray, rng: Rng) -> Picture:
    height, width = coverage.shape
    y, x = np.mgrid[0:height, 0:width]
    spot = np.hypot((x - rng.uniform(0, width)) / width, (y - rng.uniform(0, height)) / height / 1.5)
    light = np.exp(-((spot / 0.25) ** 2))[..., None]
    picture = on_paper(coverage, (30, 40, 120), (205, 208, 210))
    return picture + 0.75 * (255 - picture) * light


def textured(coverage: Gray, rng: Rng) -> Picture:
    return on_paper(coverage, BLACK, (225, 215, 195)) + 8 * smooth_noise(coverage.shape, 2.5, rng)[..., None]


def letterbox(coverage: Gray, rng: Rng) -> Picture:
    bar = round(rng.uniform(0.25, 0.6) * len(coverage))
    pads = ((bar, bar), (0, 0), (0, 0)) if rng.random() < 0.5 else ((0, 0), (bar, bar), (0, 0))
    return np.pad(on_paper(coverage, BLACK, WHITE), pads)


def framed(coverage: Gray, rng: Rng) -> Picture:
    """A frame drawn around the row, as of a field of a form."""
    height, width = coverage.shape
    picture = on_paper(coverage, BLACK, WHITE)
    thickness, away = max(2, height // 40), max(2, height // 50)
    frame = np.zeros((height, width), bool)
    frame[away : height - away, away : width - away] = True
    frame[away + thickness : height - away - thickness, away + thickness : width - away - thickness] = False
    picture[frame] = BLACK
    around = round(rng.uniform(0, 0.2) * height)
    return np.pad(picture, ((around, around), (around, around), (0, 0)), constant_values=245)


def on_desk(coverage: Gray, rng: Rng) -> Picture:
    """A sheet, turned a little, on a brown desk."""
    height, _width = coverage.shape
    around = round(rng.uniform(0.3, 0.6) * height)
    angle = rng.uniform(-5, 5)

    def turned(picture: Picture) -> Picture:
        padded = np.pad(picture, ((around, around), (around, around)))
        return np.clip(ndimage.rotate(padded, angle, order=1, reshape=False), 0, 1)[..., None]

    sheet, ink = turned(np.ones_like(coverage)), turned(coverage)
    shape = sheet.shape[:2]
    grain = 10 * ndimage.gaussian_filter1d(rng.normal(size=shape), 12, axis=1) / 0.15
    desk = np.asarray((120, 84, 56)) + 0.5 * grain[..., None]
    picture = desk * (1 - sheet) + np.asarray(WHITE) * sheet
    return grainy(picture * (1 - ink) + np.asarray(BLACK) * ink, 2, rng)


def one_bit(dither: bool) -> Callable[[Gray, Rng], Picture]:
    method = Image.Dither.FLOYDSTEINBERG if dither else Image.Dither.NONE

    def draw(coverage: Gray, rng: Rng) -> Picture:
        picture = on_paper(coverage, (50, 50, 60), (225, 225, 220))
        picture = lit(picture, gradient(coverage.shape, rng, 0.8)) if dither else picture
        gray = Image.fromarray(picture.clip(0, 255).astype(np.uint8)).convert("1", dither=method)
        return np.asarray(gray.convert("RGB"), float)

    return draw


PEN = plain(BLACK, WHITE)


def then(
    draw: Callable[[Gray, Rng], Picture], *more: Callable[[Picture, Rng], Picture]
) -> Callable[[Gray, Rng], Picture]:
    def drawn(coverage: Gray, rng: Rng) -> Picture:
        picture = draw(coverage, rng)
        for step in more:
            picture = step(picture, rng)
        return picture

    return drawn


def grain(sigma: float) -> Callable[[Picture, Rng], Picture]:
    return lambda picture, rng: grainy(picture, sigma, rng)


def shade(darkest: float) -> Callable[[Picture, Rng], Picture]:
    return lambda picture, rng: lit(picture, gradient(picture.shape, rng, darkest))


def cast(picture: Picture, rng: Rng) -> Picture:
    return lit(picture, shadow(picture.shape[:2], rng))


def blur(picture: Picture, _rng: Rng) -> Picture:
    sigma = len(picture) / 60
    return ndimage.gaussian_filter(picture, (sigma, sigma, 0))


def moved(picture: Picture, _rng: Rng) -> Picture:
    return ndimage.uniform_filter1d(picture, max(3, len(picture) // 16), axis=1)


def holes(coverage: Gray, rng: Rng) -> Picture:
    return PEN(pinholed(coverage, rng), rng)


Draw = Callable[[Gray, Rng], Picture]
Format = tuple[str, dict[str, Any]]  # of Pillow, and how to save in it
Form = tuple[Draw, dict[str, Any], Format]  # how to draw the row, arguments of row_of, the file's format
PNG: Format = ("PNG", {})
JPEG: Format = ("JPEG", {"quality": 85})

KINDS: dict[str, Form] = {
    "black pen": (PEN, {}, PNG),
    "blue pen": (plain((30, 50, 150), WHITE), {}, JPEG),
    "red pen": (plain((190, 40, 40), WHITE), {}, JPEG),
    "marker": (PEN, {"warp": thick}, JPEG),
    "thin strokes": (PEN, {"warp": thin}, JPEG),
    "thin blue strokes": (plain((40, 60, 160), WHITE), {"warp": thin}, JPEG),
    "pencil": (pencil, {}, JPEG),
    "faint pencil": (then(plain((150, 150, 150), WHITE, 0.7), grain(2)), {}, JPEG),
    "blue on yellow": (plain((40, 50, 140), (245, 225, 110)), {}, JPEG),
    "green on pink": (plain((30, 110, 60), (245, 190, 205)), {}, JPEG),
    "red on green": (plain((200, 60, 60), (60, 132, 70)), {}, PNG),
    "white on blue": (plain((240, 240, 245), (40, 60, 130)), {}, JPEG),
    "ruled paper": (ruled(BLACK, (150, 180, 220), False, 0.6), {}, JPEG),
    "graph paper": (ruled((30, 40, 120), (160, 190, 220), True, 0.5), {}, JPEG),
    "shade": (then(PEN, shade(0.35)), {}, JPEG),
    "shade and grain": (then(PEN, shade(0.45), grain(8)), {}, JPEG),
    "hard shadow": (then(PEN, cast), {}, JPEG),
    "hard shadow and grain": (then(PEN, cast, grain(6)), {}, JPEG),
    "grain, sigma 4": (then(PEN, grain(4)), {}, PNG),
    "grain, sigma 8": (then(PEN, grain(8)), {}, PNG),
    "grain, sigma 12": (then(PEN, grain(12)), {}, PNG),
    "grain, sigma 16": (then(PEN, grain(16)), {}, PNG),
    "pinholes": (holes, {}, PNG),
    "pinholes and grain": (then(holes, grain(10)), {}, PNG),
    "textured paper": (textured, {}, JPEG),
    "textured paper and grain": (
        then(lambda coverage, rng: textured(pinholed(coverage, rng), rng), grain(10)), {}, PNG,
    ),
    "dithered, 1 bit": (one_bit(True), {}, PNG),
    "fax, 1 bit": (one_bit(False), {}, PNG),
    "chalk": (chalk, {}, JPEG),
    "whiteboard with glare": (glare, {}, JPEG),
    "out of focus": (then(PEN, blur), {}, JPEG),
    "camera shake": (then(PEN, moved), {}, JPEG),
    "JPEG quality 30": (PEN, {}, ("JPEG", {"quality": 30})),
    "slanted 6 degrees": (PEN, {"warp": rotated(6)}, JPEG),
    "slanted 12 degrees": (PEN, {"warp": rotated(12)}, JPEG),
    "perspective": (PEN, {"warp": perspective}, JPEG),
    "touching": (PEN, {"gap": (16, 20)}, JPEG),
    "letterbox": (letterbox, {}, JPEG),
    "frame": (framed, {}, JPEG),
    "desk": (on_desk, {}, JPEG),
}  # fmt: skip


def photograph(glyphs: Glyphs, kind: str, rng: Rng) -> tuple[bytes, int]:
    """A file with a row of digits, and their sum."""
    draw, arguments, (form, settings) = KINDS[kind]
    coverage, total = row_of(glyphs, rng, **arguments)
    return encoded(draw(coverage, rng), form, settings), total


def encoded(picture: Picture, form: str = "PNG", settings: dict[str, Any] | None = None) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(buffer, form, **(settings or {}))
    return buffer.getvalue()


# pictures without digits: dark ink on bright paper, or the other way round


def size_of(rng: Rng) -> tuple[int, int]:
    """Height and width; one in four is a strip's."""
    if rng.random() < 0.25:
        return 40, 168
    height = int(rng.integers(60, 300))
    return height, round(height * rng.uniform(1, 5))


def painted(paint: Callable[[ImageDraw.ImageDraw, int, int, Rng], None]) -> Callable[[Rng], Picture]:
    """Ink painted at four times the size, white on black in a third of the pictures."""

    def draw(rng: Rng) -> Picture:
        height, width = size_of(rng)
        image = Image.new("L", (4 * width, 4 * height))
        paint(ImageDraw.Draw(image), 4 * height, 4 * width, rng)
        ink = np.asarray(image.resize((width, height), Image.Resampling.BOX), float)
        return ink if rng.random() < 1 / 3 else 240 - 0.85 * ink

    return draw


def block(pen: ImageDraw.ImageDraw, height: int, width: int, rng: Rng) -> None:
    for _ in range(rng.integers(1, 3, endpoint=True)):
        side = rng.uniform(0.3, 0.7) * height
        x, y = rng.uniform(0.1, 0.7) * width, rng.uniform(0.1, 0.3) * height
        pen.rectangle([x, y, x + side * rng.uniform(0.6, 2), y + side], 255)


def empty_frame(pen: ImageDraw.ImageDraw, height: int, width: int, rng: Rng) -> None:
    away = rng.uniform(0.05, 0.15) * height
    pen.rectangle([away, away, width - away, height - away], None, 255, max(4, int(rng.uniform(0.02, 0.1) * height)))


def empty_lines(vertical: bool) -> Callable[[ImageDraw.ImageDraw, int, int, Rng], None]:
    def paint(pen: ImageDraw.ImageDraw, height: int, width: int, rng: Rng) -> None:
        step, wide = rng.uniform(0.15, 0.4) * height, max(4, height // 60)
        for y in np.arange(step / 2, height, step):
            pen.line([0, y, width, y], 255, wide)
        for x in np.arange(step / 2, width, step) if vertical else ():
            pen.line([x, 0, x, height], 255, wide)

    return paint


def scribble(pen: ImageDraw.ImageDraw, height: int, width: int, rng: Rng) -> None:
    walk = ndimage.gaussian_filter1d(rng.normal(size=(400, 2)).cumsum(axis=0), 4, axis=0)
    walk = (walk - walk.min(axis=0)) / np.ptp(walk, axis=0) * 0.8 + 0.1
    pen.line([(x * width, y * height) for x, y in walk.tolist()], 255, max(4, height // 25))


def polygons(pen: ImageDraw.ImageDraw, height: int, width: int, rng: Rng) -> None:
    count = int(rng.integers(2, 6))
    for number in range(count):
        middle = (number + 0.5) * width / count, height / 2
        radius = min(0.35 * height, 0.4 * width / count)
        corners = int(rng.integers(3, 6))
        pen.regular_polygon((*middle, radius), corners, float(rng.uniform(0, 360)), None, 255, max(4, height // 20))


def crosses(pen: ImageDraw.ImageDraw, height: int, width: int, rng: Rng) -> None:
    count = int(rng.integers(2, 7))
    for number in range(count):
        x, y = (number + 0.5) * width / count, height / 2
        radius = min(0.35 * height, 0.4 * width / count)
        for angle in rng.uniform(0, np.pi) + np.pi / 2 * np.arange(2):
            dx, dy = radius * np.cos(angle), radius * np.sin(angle)
            pen.line([x - dx, y - dy, x + dx, y + dy], 255, max(4, height // 15))


def barcode(pen: ImageDraw.ImageDraw, height: int, width: int, rng: Rng) -> None:
    x = 0.08 * width
    while x < 0.92 * width:
        wide = float(rng.uniform(0.005, 0.03)) * width
        pen.rectangle([x, 0.15 * height, x + wide, 0.85 * height], 255)
        x += wide + float(rng.uniform(0.005, 0.03)) * width


def dots(pen: ImageDraw.ImageDraw, height: int, width: int, rng: Rng) -> None:
    for _ in range(rng.integers(10, 200)):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.005, 0.05) * height
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], 255)


def letters(alphabet: str) -> Callable[[ImageDraw.ImageDraw, int, int, Rng], None]:
    def paint(pen: ImageDraw.ImageDraw, height: int, width: int, rng: Rng) -> None:
        count = int(np.clip(width / height * 1.3, 1, 7))
        word = "".join(rng.choice(list(alphabet), count).tolist())
        font = ImageFont.load_default(0.65 * height)
        pen.text((width / 2, height / 2), word, 255, font, "mm")

    return paint


def white_noise(rng: Rng) -> Picture:
    return rng.uniform(0, 255, size_of(rng))


def bell_noise(rng: Rng) -> Picture:
    return rng.normal(rng.uniform(0, 255), rng.uniform(20, 80), size_of(rng))


def specks(rng: Rng) -> Picture:
    ink = rng.random(size_of(rng)) < rng.uniform(0.02, 0.3)
    return 255.0 * (ink if rng.random() < 0.5 else ~ink)


def clouds(rng: Rng) -> Picture:
    height, width = size_of(rng)
    return 128 + 70 * smooth_noise((height, width), height / rng.uniform(8, 30), rng)


def waves(rng: Rng) -> Picture:
    height, width = size_of(rng)
    y, x = np.mgrid[0:height, 0:width]
    angle, period = rng.uniform(0, np.pi), rng.uniform(0.1, 0.6) * height
    return 128 + 100 * np.sin(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period)


def checkers(rng: Rng) -> Picture:
    height, width = size_of(rng)
    side = max(2, int(rng.uniform(0.05, 0.4) * height))
    y, x = np.mgrid[0:height, 0:width] // side
    return 20 + 220.0 * ((x + y) % 2)


def empty_desk(rng: Rng) -> Picture:
    height, width = size_of(rng)
    return on_desk(np.zeros((height, width), np.float32), rng)


def empty_shade(rng: Rng) -> Picture:
    height, width = size_of(rng)
    light = shadow((height, width), rng) * gradient((height, width), rng, 0.5)
    return grainy(lit(np.full((height, width, 3), 235.0), light), rng.uniform(0, 10), rng)


def landscape(rng: Rng) -> Picture:
    """A part of one of scikit-learn's two sample photographs."""
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    whole = photographs[rng.integers(len(photographs))]
    height = int(rng.integers(60, 400))
    width = min(round(height * rng.uniform(1, 3)), whole.shape[1])
    top, left = rng.integers(whole.shape[0] - height), rng.integers(whole.shape[1] - width + 1)
    return whole[top : top + height, left : left + width].astype(float)


WITHOUT_DIGITS: dict[str, Callable[[Rng], Picture]] = {
    "white noise": white_noise,
    "bell-shaped noise": bell_noise,
    "specks": specks,
    "clouds": clouds,
    "waves": waves,
    "checkers": checkers,
    "blocks": painted(block),
    "an empty frame": painted(empty_frame),
    "ruled lines": painted(empty_lines(vertical=False)),
    "graph paper": painted(empty_lines(vertical=True)),
    "an empty sheet on a desk": empty_desk,
    "empty paper in shade": empty_shade,
    "dots": painted(dots),
    "bars": painted(barcode),
    "a scribble": painted(scribble),
    "polygons": painted(polygons),
    "crosses": painted(crosses),
    "capital letters": painted(letters("ACEFHKMNPRUVWXY")),
    "small letters": painted(letters("acdefhkmnprtuvwxy")),
    "landscapes": landscape,
}


Outcome = Answer | InputError


def outcome(content: bytes, reader: Reader) -> Outcome:
    """What predict makes of a file."""
    try:
        return reader.answer(decode(content, "x")[0])
    except InputError as error:
        return error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=MODEL)
    parser.add_argument("--mnist", type=Path, default=Path("data/mnist"), help="the folder that has MNIST/raw")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="keep the pictures that were not read right")
    parser.add_argument("--quick", action="store_true", help="a small run of seconds, whose numbers mean nothing")
    words = parser.parse_args()
    rows, pictures = (1, 1) if words.quick else (ROWS, PICTURES)
    raw = from_mnist(words.mnist).content
    assert isinstance(raw, Glyphs)
    glyphs = Glyphs(raw.images[raw.reserved], raw.digits[raw.reserved], raw.reserved[raw.reserved])
    reader = Reader(read_model(words.model))
    wrong = WrongPictures(words.write)
    totals = np.zeros(3, int)
    print("| kind | read right | refused | wrong |\n|---|---|---|---|")
    for number, kind in enumerate(KINDS):
        rng = np.random.default_rng([words.seed, number])
        counted = np.zeros(3, int)
        for index in range(rows):
            content, total = photograph(glyphs, kind, rng)
            answer = outcome(content, reader)
            place = 1 if isinstance(answer, InputError) else 0 if answer.sum == total else 2
            counted[place] += 1
            if place:
                wrong.keep(f"{kind} {index}", content, f"{total}: {answer}")
        totals += counted
        print(f"| {kind} | {' | '.join(map(str, counted))} |", flush=True)
    print(f"| all | {' | '.join(f'{count} ({count / totals.sum():.1%})' for count in totals)} |\n")

    totals = np.zeros(3, int)
    print(f"| without digits | refused | answered below {SURE:.0%} | answered above |\n|---|---|---|---|")
    for number, (kind, draw) in enumerate(WITHOUT_DIGITS.items()):
        rng = np.random.default_rng([words.seed, 1000 + number])
        counted = np.zeros(3, int)
        for index in range(pictures):
            content = encoded(draw(rng))
            answer = outcome(content, reader)
            place = 0 if isinstance(answer, InputError) else 1 if answer.probability < SURE else 2
            counted[place] += 1
            if place == 2:
                wrong.keep(f"{kind} {index}", content, str(answer))
        totals += counted
        print(f"| {kind} | {' | '.join(map(str, counted))} |", flush=True)
    print(f"| all | {' | '.join(f'{count} ({count / totals.sum():.1%})' for count in totals)} |")


class WrongPictures:
    """A folder of the pictures that were not read right, with a list of what was read; None keeps nothing."""

    def __init__(self, folder: Path | None):
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def keep(self, name: str, content: bytes, what: str) -> None:
        if self._folder is not None:
            (self._folder / f"{name}.image").write_bytes(content)
            with (self._folder / "list.txt").open("a") as file:
                file.write(f"{name}: {what}\n")


if __name__ == "__main__":
    main()
