"""The report on data quality: sizes, sums, and strips that look wrong, before anything is trained."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from digitsum.analysis import pages
from digitsum.files import write_json, write_text
from digitsum.strips.dataset import Description, Strips, Truth
from digitsum.strips.split import PARTS, Part, duplicates

EXAMPLES = 24  # strips on the page and in the picture
FEW = 10  # training strips; a sum with fewer is rare


def write_report(
    folder: Path, description: Description, parts: Mapping[Part, Strips], truths: Mapping[Part, Truth]
) -> dict[str, float]:
    """Writes quality.json, sums.csv, two pictures and quality.html into `folder`; returns what quality.json holds."""
    sums = sums_by_part(parts, highest=9 * description.digits)
    quality = measure(parts, sums)
    shares = sums / sums.sum()
    chart = draw_sums(shares)
    write_json(folder / "quality.json", quality)
    shares.round(6).to_csv(folder / "sums.csv")
    pages.write_png(chart, folder / "sums.png")
    pages.write_png(draw_sheet(parts["train"]), folder / "sheet.png")
    examples = [
        {"picture": pages.png(np.array(image)), "sum": int(total)}
        for image, total in zip(parts["train"].images[:EXAMPLES], parts["train"].sums, strict=False)
    ]
    page = pages.render(
        "quality.html",
        description=description,
        quality=quality,
        sizes={part: len(parts[part]) for part in PARTS},
        truth_known=bool(truths),
        few=FEW,
        chart=pages.svg(chart, "Share of strips with each sum, for training, validation and test"),
        examples=examples,
    )
    write_text(folder / "quality.html", page)
    return quality


def measure(parts: Mapping[Part, Strips], sums: pd.DataFrame) -> dict[str, float]:
    everything = np.concatenate([parts[part].images for part in PARTS])
    labels = np.concatenate([parts[part].sums for part in PARTS])
    same = duplicates(everything)
    by_image = pd.DataFrame({"image": same, "label": labels}).groupby("image")["label"]
    in_training = sums["train"]
    return {
        **{f"{part}_strips": len(parts[part]) for part in PARTS},
        **{f"{part}_mean_pixel": round(float(parts[part].images.mean()), 4) for part in PARTS},
        "black_strips": int((everything.max(axis=(1, 2)) == 0).sum()),
        "duplicate_strips": len(same) - len(by_image),
        "duplicates_with_other_labels": int((by_image.nunique() > 1).sum()),
        "sums_without_training_strips": int((in_training == 0).sum()),
        "rare_sums": int(((in_training > 0) & (in_training < FEW)).sum()),
    }


def sums_by_part(parts: Mapping[Part, Strips], highest: int) -> pd.DataFrame:
    """The number of strips with each sum: a row for each sum, a column for each part."""
    counts = {part: np.bincount(parts[part].sums, minlength=highest + 1) for part in PARTS}
    return pd.DataFrame(counts, index=pd.RangeIndex(highest + 1, name="sum"))


def draw_sums(shares: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for part in shares:
        axes.plot(shares.index, shares[part], label=part, marker=".")
    axes.set(xlabel="sum", ylabel="share of strips")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_sheet(strips: Strips) -> Figure:
    shown = min(EXAMPLES, len(strips))
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    for number, axes in enumerate(figure.subplots(6, 4).flat):
        axes.axis("off")
        if number < shown:
            axes.imshow(strips.images[number], cmap="gray", vmin=0, vmax=255)
            axes.set_title(str(strips.sums[number]), fontsize=8, pad=2)
    return figure
