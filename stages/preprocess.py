"""Splits without leakage, composes strips where glyphs arrived, and reports on the quality of the data."""

import numpy as np

from digitsum import stage
from digitsum.analysis.quality import write_report
from digitsum.errors import InputError
from digitsum.files import whole_folder
from digitsum.params.loader import read_params
from digitsum.params.preprocess import PreprocessParams
from digitsum.params.strip import StripParams
from digitsum.places import DATA_REPORT, PROCESSED, RAW
from digitsum.strips import raw
from digitsum.strips.compose import Layout, compose
from digitsum.strips.dataset import Description, Strips, Truth
from digitsum.strips.glyphs import Glyphs
from digitsum.strips.split import PARTS, Part, split, split_by_pixels
from digitsum.tracking.recording.tracker import tracked


def main() -> None:
    params = read_params()
    strip, preprocess = params[StripParams], params[PreprocessParams]
    fractions = (preprocess.val_fraction, preprocess.test_fraction)
    counts: dict[Part, int] = {
        "train": preprocess.train_strips,
        "val": preprocess.val_strips,
        "test": preprocess.test_strips,
    }
    with tracked("preprocess") as tracker:
        tracker.params("strip", strip.model_dump())
        tracker.params("preprocess", preprocess.model_dump())
        tracker.data(RAW, "source")
        arrived = raw.read(RAW)
        if isinstance(arrived.content, Glyphs):
            layout = Layout.of(strip, preprocess)
            parts, truths = compose_parts(arrived.content, layout, counts, fractions, preprocess.seed)
        else:
            require_form(arrived.content, strip)
            parts, truths = divide_strips(arrived.content, fractions, preprocess.seed), {}
        mean, std = pixel_statistics(parts["train"].images)
        description = Description(arrived.source, strip.digits, strip.height, strip.width, mean, std)

        with whole_folder(PROCESSED) as folder:
            description.write(folder / "dataset.json")
            for part in PARTS:
                parts[part].write(folder / part)
                if part in truths:
                    truths[part].write(folder / part / "truth")
        with whole_folder(DATA_REPORT) as folder:
            quality = write_report(folder, description, parts, truths)
        sizes = ", ".join(f"{len(parts[part]):,} {part}" for part in PARTS)
        print(f"preprocess: {sizes} strips; see {DATA_REPORT / 'quality.html'}")

        tracker.metrics(quality)
        tracker.file(DATA_REPORT)


def compose_parts(
    glyphs: Glyphs, layout: Layout, counts: dict[Part, int], fractions: tuple[float, float], seed: int
) -> tuple[dict[Part, Strips], dict[Part, Truth]]:
    """Splits the glyphs first and then composes, so that no glyph of one part is in a strip of another.

    Raises:
        InputError: if a part would lack one of the ten digits.
    """
    streams = np.random.default_rng(seed).spawn(1 + len(PARTS))
    members = split(glyphs.digits, *fractions, streams[0], glyphs.reserved)
    parts: dict[Part, Strips] = {}
    truths: dict[Part, Truth] = {}
    for part, stream in zip(PARTS, streams[1:], strict=True):
        chosen = members[part]
        own = Glyphs(glyphs.images[chosen], glyphs.digits[chosen], glyphs.reserved[chosen])
        if missing := set(range(10)) - set(own.digits.tolist()):
            raise InputError(
                f"{RAW}: too few glyphs to split: of {len(glyphs.digits)}, {part} gets {len(chosen)}, none of them a "
                f"{min(missing)}; more glyphs are needed, or other preprocess.val_fraction and test_fraction"
            )
        parts[part], truths[part] = compose(own, layout, counts[part], stream)
    return parts, truths


def require_form(strips: Strips, strip: StripParams) -> None:
    """
    Raises:
        InputError: if strips that arrived whole are not what the params say.
    """
    height, width = strips.images.shape[1:]
    highest = int(strips.sums.max())
    if (height, width) != (strip.height, strip.width) or highest > 9 * strip.digits:
        raise InputError(
            f"{RAW}: strips of {height} x {width} with sums up to {highest}, but params.yaml says {strip.height} x "
            f"{strip.width} and {strip.digits} digits (strip); run dvc repro ingest, or change that back"
        )


def divide_strips(strips: Strips, fractions: tuple[float, float], seed: int) -> dict[Part, Strips]:
    """
    Raises:
        InputError: if a part would be empty.
    """
    members = split_by_pixels(strips.images, *fractions, seed)
    for part in PARTS:
        if len(members[part]) == 0:
            raise InputError(
                f"{RAW}: too few strips to split: {len(strips)} leave none for {part}; more are needed, or other "
                "preprocess.val_fraction and test_fraction"
            )
    return {part: Strips(strips.images[members[part]], strips.sums[members[part]]) for part in PARTS}


def pixel_statistics(images: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of pixels scaled to 0..1, exact for uint8.

    Raises:
        InputError: if all are the same.
    """
    counts = sum(np.bincount(image.reshape(-1), minlength=256) for image in images)  # one copy as int64 at a time
    if np.count_nonzero(counts) == 1:
        raise InputError(f"{RAW}: all pixels of the training strips are the same; there must be something to read")
    values = np.arange(256) / 255
    mean = float(np.average(values, weights=counts))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))


if __name__ == "__main__":
    stage.run(main)
