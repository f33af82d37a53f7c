"""Whatever the file and however the digits stand on it, the strip that a model reads shows them as in training."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image
from scipy.ndimage import minimum_filter

from digitsum.errors import InputError
from digitsum.reading import fitting
from digitsum.reading.fitting import StripFormat, to_strip
from digitsum.reading.images import decode, read_images
from digitsum.strips.compose import Layout, compose
from digitsum.strips.dataset import Description
from digitsum.strips.ink import pieces
from digitsum.strips.sources import SOURCES
from digitsum.strips.sources.digits import sklearn_digits

APART = Layout(4, 40, 168, first_left=(4, 10), next_left=(36, 42), top=(2, 10))  # no two glyphs touch
STRIPS, TRUTH = compose(sklearn_digits(), APART, 24, np.random.default_rng(0))
FORMAT = StripFormat(40, 168, SOURCES["digits"].script, any_width=True)


def encoded(image: np.ndarray | Image.Image, form: str = "PNG", **settings: object) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, form, **settings)
    return buffer.getvalue()


def enlarged(image: np.ndarray, factor: float) -> np.ndarray:
    height, width = image.shape
    size = round(width * factor), round(height * factor)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def assert_same_digits(number: int, strip: fitting.FittedStrip, factor: float, padding: int) -> None:
    """As many pieces of ink, as high as in training, that lie where the glyphs are on the original."""
    starts, ends = pieces(np.where(strip.image > 60, strip.image, 0))
    assert len(starts) == 4
    for start, end in zip(starts, ends, strict=True):
        rows = np.flatnonzero((strip.image[:, start:end] > 60).any(axis=1))
        assert 24 <= np.ptp(rows) + 1 <= 31
    original_starts, original_ends = pieces(np.where(STRIPS.images[number] > 60, STRIPS.images[number], 0))
    expected = (original_starts + original_ends) / 2 * factor + padding
    np.testing.assert_allclose(strip.places((starts + ends) // 2), expected, atol=2 * max(factor, 1))
    assert strip.image.max() > 200
    assert strip.image.shape[0] == 40
    assert strip.image.shape[1] % 8 == 0


def test_strips_are_left_as_they_are() -> None:
    for image in STRIPS.images:
        for content in (encoded(image), encoded(np.stack([image] * 3, axis=2))):
            ((grey, reduction),) = decode(content, "x")
            strip = to_strip(grey, FORMAT)
            assert reduction == 1
            assert strip.as_given
            assert not strip.views
            assert np.array_equal(strip.image, image)
            assert strip.places(np.arange(5)).tolist() == list(range(5))
    wide = np.concatenate(list(STRIPS.images[:2]), axis=1)
    assert np.array_equal(to_strip(wide, FORMAT).image, wide)


@settings(max_examples=40, deadline=None, derandomize=True)  # within tolerances, which chance would find the edge of
@given(
    number=some.integers(0, len(STRIPS) - 1),
    factor=some.floats(0.5, 8),
    padding=some.integers(0, 60),
    dark=some.booleans(),
    contrast=some.floats(0.3, 1),
    quality=some.sampled_from([None, 75]),
)
def test_size_place_polarity_and_contrast_do_not_matter(
    number: int, factor: float, padding: int, dark: bool, contrast: float, quality: int | None
) -> None:
    image = np.pad(enlarged(STRIPS.images[number], factor), padding) * contrast
    image = (240 - image if dark else image + 10).clip(0, 255).astype(np.uint8)
    content = encoded(image) if quality is None else encoded(image, "JPEG", quality=quality)
    assert_same_digits(number, to_strip(decode(content, "x")[0].pixels, FORMAT), factor, padding)


def test_photograph_with_shade_and_noise(rng: np.random.Generator) -> None:
    for number in range(4):
        paper = 220 - 0.6 * np.pad(enlarged(STRIPS.images[number], 5), 50).astype(float)
        light = np.linspace(1, 0.5, paper.shape[1]) * np.linspace(1, 0.85, paper.shape[0])[:, None]
        photograph = (paper * light + rng.normal(0, 4, paper.shape)).clip(0, 255).astype(np.uint8)
        assert_same_digits(number, to_strip(decode(encoded(photograph, "JPEG"), "x")[0].pixels, FORMAT), 5, 50)


def on_paper(number: int) -> np.ndarray:
    """A row of digits, five times enlarged, dark on white, in 0..255."""
    return 240 - 0.85 * np.pad(enlarged(STRIPS.images[number], 5), 50).astype(float)


def test_hard_shadow_across_the_row() -> None:
    for number, lean in enumerate((-0.6, 0.0, 0.6, 0.9)):
        paper = on_paper(number)
        y, x = np.mgrid[0 : paper.shape[0], 0 : paper.shape[1]]
        paper[x < paper.shape[1] / 2 + lean * (y - paper.shape[0] / 2)] *= 0.5
        assert_same_digits(number, to_strip(paper.astype(np.uint8), FORMAT), 5, 50)


@pytest.mark.parametrize("axis", [0, 1])
def test_bars_above_and_below_or_beside_the_picture(axis: int) -> None:
    pads = [(0, 0), (0, 0)]
    pads[axis] = (70, 70)
    image = np.pad(on_paper(0), pads)
    assert_same_digits(0, to_strip(image.astype(np.uint8), FORMAT), 5, 50 + pads[1][0])


def test_sheet_on_a_desk(rng: np.random.Generator) -> None:
    image = np.pad(on_paper(1), 90, constant_values=90)
    image += rng.normal(0, 5, image.shape)
    assert_same_digits(1, to_strip(image.clip(0, 255).astype(np.uint8), FORMAT), 5, 140)


def test_frame_around_the_row() -> None:
    image = on_paper(2)
    for side in (image[8:14], image[-14:-8], image[:, 8:14], image[:, -14:-8]):
        side[:] = 20
    assert_same_digits(2, to_strip(image.astype(np.uint8), FORMAT), 5, 50)


def test_ink_that_differs_from_paper_in_color_alone() -> None:
    share = np.pad(enlarged(STRIPS.images[3], 5), 50)[..., None] / 255
    picture = np.array([60, 132, 70]) * (1 - share) + np.array([200, 60, 60]) * share
    assert np.ptp(np.array(Image.fromarray(picture.astype(np.uint8)).convert("L"))) < 24
    ((pixels, _),) = decode(encoded(picture.astype(np.uint8)), "x")
    assert_same_digits(3, to_strip(pixels, FORMAT), 5, 50)


def test_slanted_row_is_turned() -> None:
    paper = Image.fromarray(on_paper(4).astype(np.uint8)).rotate(10, Image.Resampling.BICUBIC, True, fillcolor=240)
    level, slanted = (
        pieces(255 * (to_strip(image, FORMAT).image > 60).astype(np.uint8))
        for image in (on_paper(4).astype(np.uint8), np.array(paper))
    )
    assert len(level[0]) == len(slanted[0]) == 4
    np.testing.assert_allclose(np.diff(slanted[0]), np.diff(level[0]), atol=4)


def test_dither_and_pinholes_are_smoothed(rng: np.random.Generator) -> None:
    paper = on_paper(5)
    dithered = Image.fromarray((0.8 * paper).astype(np.uint8)).convert("1")
    assert_same_digits(5, to_strip(np.array(dithered.convert("L")), FORMAT), 5, 50)
    paper[rng.random(paper.shape) < 0.1] = 240
    assert_same_digits(5, to_strip(paper.astype(np.uint8), FORMAT), 5, 50)


def test_patterns_are_refused(rng: np.random.Generator) -> None:
    dots = np.full((382, 4000), 255, np.uint8)
    dots[::8, ::8] = 0
    noise = rng.integers(0, 256, (300, 1200), dtype=np.uint8)
    for image in (dots, noise):
        with pytest.raises(
            InputError, match=r"[\d,]+ separate pieces of ink, which are a pattern or noise|^empty: nothing"
        ):
            to_strip(image, FORMAT)


def test_large_images_are_reduced_and_positions_are_not() -> None:
    """Floats are made of a few of the pixels, whatever the shape."""
    for size in ((6000, 4000), (90_000, 700)):
        ((pixels, reduction),) = decode(encoded(Image.new("1", size)), "x")
        assert pixels.size <= 2_000_000
        assert pixels.shape[1] * reduction == pytest.approx(size[0], rel=0.001)
    large = np.asarray(Image.fromarray(on_paper(0).astype(np.uint8)).resize((3 * 940, 3 * 300)))
    ((pixels, reduction),) = decode(encoded(large), "x")
    assert reduction == 2
    assert_same_digits(0, to_strip(pixels, FORMAT, reduction), 15, 150)
    np_image = decode(array_file(np.pad(large, ((900, 900), (0, 0)), constant_values=240)), "-")[0]
    assert np_image.reduction > 1


def array_file(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_fine_strokes_are_thickened_and_others_are_not() -> None:
    def ink(strip: fitting.FittedStrip) -> float:
        return float(strip.image.mean())

    large = enlarged(STRIPS.images[0], 6)
    fine = minimum_filter(large, 28)
    assert fine.any()
    usual = ink(to_strip(255 - large, FORMAT))
    assert usual == pytest.approx(STRIPS.images[0].mean(), rel=0.15)
    assert 0.4 * usual < ink(to_strip(255 - fine, FORMAT)) < usual


def test_every_kind_of_file_is_the_same_image(tmp_path: Path) -> None:
    grey = STRIPS.images[0]
    alpha = np.zeros((*grey.shape, 4), np.uint8)
    alpha[..., 3] = grey
    palette = Image.fromarray(grey).convert("P")
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter to the right
    kinds = {
        "grey": encoded(grey),
        "colour": encoded(Image.fromarray(grey).convert("RGB")),
        "palette": encoded(palette),
        "16 bits": encoded(grey.astype(np.uint16) * 257),
        "12 bits in 16": encoded(grey.astype(np.uint16) * 16),
        "WebP": encoded(grey, "WEBP", lossless=True),
        "TIFF": encoded(grey, "TIFF"),
        "GIF": encoded(Image.fromarray(grey), "GIF", save_all=True, append_images=[Image.fromarray(255 - grey)]),
        "turned": encoded(Image.fromarray(grey).rotate(90, expand=True), exif=turned),
    }
    for name, content in kinds.items():
        np.testing.assert_allclose(decode(content, name)[0].pixels.astype(int), grey, atol=1, err_msg=name)
    white = alpha.copy()
    white[..., :3] = 255
    assert np.array_equal(decode(encoded(white), "white ink on nothing")[0].pixels, grey)
    assert np.array_equal(decode(encoded(alpha), "black ink on nothing")[0].pixels, 255 - grey)

    arrays = (
        grey,
        grey / 255,
        grey / 255 * 1.0000001,
        grey / 255 - 1e-7,
        grey.astype(np.int64),
        grey.astype(np.float32),
        grey.astype(np.uint16) * 257,
        np.stack([grey] * 3, axis=2),
    )
    for array in arrays:
        np.save(tmp_path / "x.npy", array)
        for read in (read_images(tmp_path / "x.npy"), decode((tmp_path / "x.npy").read_bytes(), "-")):
            assert len(read) == 1
            assert np.array_equal(read[0].pixels, grey)
    for array in (grey > 99, (grey > 99).astype(np.int64), (grey > 99).astype(np.uint8)):
        np.save(tmp_path / "x.npy", array)
        assert np.array_equal(read_images(tmp_path / "x.npy")[0].pixels, 255 * (grey > 99))
    np.save(tmp_path / "x.npy", STRIPS.images)
    assert np.array_equal([image.pixels for image in read_images(tmp_path / "x.npy")], STRIPS.images)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: None, "no such file"),
        (lambda p: p.mkdir(), "a folder; name the images in it"),
        (lambda p: p.write_bytes(b""), "empty; a PNG, JPEG, WebP, TIFF, GIF, AVIF, BMP or .npy file is expected"),
        (lambda p: p.write_text("hello"), "not an image, or damaged"),
        (lambda p: p.write_bytes(encoded(STRIPS.images[0], "PPM")), "not an image, or damaged"),
        (
            lambda p: p.write_bytes(b"\0\0\0\x18ftypheic" + bytes(99)),
            "a HEIC image, which is not read here; save it as",
        ),
        (lambda p: p.write_bytes(b"%PDF-1.7"), "a PDF document, which is not read here; save it as PNG or JPEG"),
        (lambda p: p.write_text("<?xml?><svg/>"), "an SVG drawing, which is not read here; save it as PNG or JPEG"),
        (lambda p: p.write_bytes(encoded(STRIPS.images[0])[:900]), "truncated or damaged"),
        (lambda p: p.write_bytes(encoded(Image.new("1", (9000, 9000)))), "more than 64 million pixels; crop it"),
        (lambda p: p.write_bytes(encoded(Image.new("1", (14000, 14000)))), "more than 64 million pixels; crop it"),
    ],
)
def test_files_that_are_no_image_are_refused(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    path = tmp_path / "x.png"
    make(path)
    with pytest.raises(InputError, match=f"^{path}: {reason}"):
        read_images(path)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(5), r"an array of shape \(5,\)"),
        (np.zeros((2, 3, 4, 5)), r"an array of shape \(2, 3, 4, 5\)"),
        (np.zeros((0, 40, 168)), r"an array of shape \(0, 40, 168\)"),
        (np.zeros((40, 168), complex), "an array of complex128; numbers expected"),
        (np.full((40, 168), -1), "values from -1 to -1; 0..1, 0..255 or 0..65535 expected"),
        (np.full((40, 168), np.nan), "values from nan to nan"),
        (np.zeros((40, 168, 3)), r"colors of float64, shape \(40, 168, 3\); colors of uint8"),
        (np.zeros((1, 9000, 9000), bool), "more than 64 million pixels; crop it"),
        (np.array([[{}]], object), "Python objects|not a plain .npy"),
    ],
)
def test_arrays_that_are_no_image_are_refused(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=reason):
        read_images(tmp_path / "x.npy")
    with pytest.raises(InputError, match=reason):
        decode((tmp_path / "x.npy").read_bytes(), "-")


@pytest.mark.parametrize("level", [0, 17, 255])
@pytest.mark.parametrize("shape", [(40, 168), (1, 1), (300, 200)])
def test_images_without_ink_are_refused(rng: np.random.Generator, level: int, shape: tuple[int, int]) -> None:
    noise = rng.integers(-5, 6, shape)
    with pytest.raises(InputError, match=r"^empty: nothing on it stands out"):
        to_strip((level + noise).clip(0, 255).astype(np.uint8), FORMAT)


def test_ink_that_fits_no_strip_is_refused() -> None:
    long = np.concatenate([255 - STRIPS.images[0]] * 30, axis=1)
    with pytest.raises(InputError, match=r"too wide for a strip of 4096 x 40 pixels$"):
        to_strip(long, FORMAT)
    with pytest.raises(InputError, match=r"20000 x 30 pixels, too wide for its height"):
        to_strip(np.zeros((30, 20000), np.uint8), FORMAT)
    one_width = StripFormat(40, 168, FORMAT.script, any_width=False)
    with pytest.raises(InputError, match="too wide for a strip of 168 x 40 pixels; a model whose head reads any width"):
        to_strip(long[:, : 2 * 168], one_width)
    assert to_strip(255 - STRIPS.images[0], one_width).image.shape == (40, 168)
    tiny = np.pad(enlarged(STRIPS.images[0], 0.1), 20)
    with pytest.raises(InputError, match=r"its digits are [1-5] pixels high, of 44; crop it to them, or enlarge it"):
        to_strip(tiny, FORMAT)


def test_model_of_a_source_that_is_unknown_here_is_refused(description: Description) -> None:
    with pytest.raises(
        InputError, match="emnist: the model learned from this source, which this version does not have"
    ):
        StripFormat.of(replace(description, source="emnist"), any_width=True)
