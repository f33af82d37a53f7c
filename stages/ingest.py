"""Reads or downloads the source, checks everything, and records where it came from."""

from pathlib import Path

from digitsum import stage
from digitsum.files import repository_root, whole_folder
from digitsum.params import read_params
from digitsum.strips import raw
from digitsum.strips.compose import Layout
from digitsum.strips.params import IngestParams, PreprocessParams, StripParams
from digitsum.tracking.tracker import tracked

EXTERNAL = Path("data/external")
RAW = Path("data/raw")


def main() -> None:
    params = read_params()
    ingest, strip = params[IngestParams], params[StripParams]
    if ingest.source != "npy":
        Layout.of(strip, params[PreprocessParams])  # refused now, rather than when the old data is gone
    with tracked("ingest") as tracker:
        tracker.params("ingest", ingest.model_dump())
        if ingest.source == "digits":
            arrived = raw.from_digits()
        elif ingest.source == "mnist":
            arrived = raw.from_mnist(repository_root() / ingest.mnist_root)
        else:
            arrived = raw.from_npy(EXTERNAL, strip.digits, strip.height, strip.width)
        with whole_folder(RAW) as folder:
            raw.write(arrived, folder)
        count = raw.counted(arrived.content)
        print(f"ingest: {count:,} {type(arrived.content).__name__.lower()} from {ingest.source}")

        tracker.metrics({"count": count})
        tracker.file(RAW / "manifest.json")


if __name__ == "__main__":
    stage.run(main)
