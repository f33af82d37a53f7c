"""Split the data without leakage, compose strips of glyphs, and report on the quality of the data."""

from dataclasses import replace

import numpy as np

from digitsum import stage
from digitsum.analysis.quality import write_report
from digitsum.errors import InputError
from digitsum.files import whole_folder
from digitsum.inputs import held
from digitsum.params.loader import read_params
from digitsum.params.preprocess import PreprocessParams
from digitsum.params.strip import StripParams
from digitsum.places import DATA_REPORT, PROCESSED, RAW
from digitsum.strips import raw
from digitsum.strips.compose import Layout, compose
from digitsum.strips.dataset import Description, Strips, Truth
from digitsum.strips.glyphs import Glyphs
from digitsum.strips.pixels import mean_and_deviation
from digitsum.strips.split import PARTS, Part, split, split_by_pixels
from digitsum.tracking.recording.tracker import tracked


def main() -> None:
    params = read_params()
    strip, preprocess = params[StripParams], params[PreprocessParams]

    with tracked("preprocess") as tracker, held("preprocess"):
        tracker.params("strip", strip.model_dump())
        tracker.params("preprocess", preprocess.model_dump())
        tracker.data(RAW, "source")
        arrived = raw.read(RAW)

        parts, truths = divided(arrived.content, strip, preprocess)
        description = describe(arrived.source, strip, parts["train"])

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


def divided(
    content: Glyphs | Strips, strip: StripParams, preprocess: PreprocessParams
) -> tuple[dict[Part, Strips], dict[Part, Truth]]:
    """The strips of each part, and the truth about them if they are composed of glyphs.

    Raises:
        InputError: if a part would be empty or lack a digit, or strips that arrived whole do not fit the params.
    """
    fractions = (preprocess.val_fraction, preprocess.test_fraction)
    if isinstance(content, Strips):
        require_form(content, strip)
        return divide_strips(content, fractions, preprocess.seed), {}
    counts: dict[Part, int] = {
        "train": preprocess.train_strips,
        "val": preprocess.val_strips,
        "test": preprocess.test_strips,
    }
    return compose_parts(content, Layout.of(strip, preprocess), counts, fractions, preprocess.seed)


def compose_parts(
    glyphs: Glyphs, layout: Layout, counts: dict[Part, int], fractions: tuple[float, float], seed: int
) -> tuple[dict[Part, Strips], dict[Part, Truth]]:
    """Splits the glyphs first and then composes, so no glyph of one part is in a strip of another.

    Args:
        counts: strips of each part.
        fractions: of the glyphs, for validation and test.

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
                f"{RAW}: too few glyphs to split: {part} gets {len(own)} of {len(glyphs)}, and none of them is a "
                f"{min(missing)}; add glyphs, or change preprocess.val_fraction and test_fraction"
            )
        parts[part], truth = compose(own, layout, counts[part], stream)
        truths[part] = replace(truth, glyphs=chosen[truth.glyphs].astype(np.int32))
    return parts, truths


def require_form(strips: Strips, strip: StripParams) -> None:
    """
    Raises:
        InputError: if strips that arrived whole do not have the size and the sums that the params give.
    """
    height, width = strips.images.shape[1:]
    highest = int(strips.sums.max())
    if (height, width) != (strip.height, strip.width) or highest > 9 * strip.digits:
        raise InputError(
            f"{RAW}: strips of {height} x {width} with sums up to {highest}, but params.yaml has {strip.height} x "
            f"{strip.width} and {strip.digits} digits (strip); run dvc repro ingest, or change strip back"
        )


def divide_strips(strips: Strips, fractions: tuple[float, float], seed: int) -> dict[Part, Strips]:
    """Assigns each strip to a part by a hash of its pixels.

    Args:
        fractions: for validation and test.

    Raises:
        InputError: if a part would be empty.
    """
    members = split_by_pixels(strips.images, *fractions, seed)
    for part in PARTS:
        if len(members[part]) == 0:
            raise InputError(
                f"{RAW}: too few strips to split: {len(strips)} leave none for {part}; add strips, or change "
                "preprocess.val_fraction and test_fraction"
            )
    return {part: Strips(strips.images[members[part]], strips.sums[members[part]]) for part in PARTS}


def describe(source: str, strip: StripParams, train: Strips) -> Description:
    """
    Raises:
        InputError: if all pixels of the training strips are equal.
    """
    if train.images.min() == train.images.max():
        raise InputError(f"{RAW}: all pixels of the training strips are equal, so there is nothing to read")
    return Description(source, strip.digits, strip.height, strip.width, *mean_and_deviation(train.images))


if __name__ == "__main__":
    stage.run(main)
