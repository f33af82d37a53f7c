"""Read or download the source, check it, and record its origin."""

from digitsum import stage
from digitsum.files import whole_folder
from digitsum.inputs import held
from digitsum.params.ingest import IngestParams
from digitsum.params.loader import read_params
from digitsum.params.preprocess import PreprocessParams
from digitsum.params.strip import StripParams
from digitsum.places import RAW
from digitsum.strips import raw
from digitsum.strips.compose import Layout
from digitsum.strips.sources import SOURCES
from digitsum.tracking.recording.tracker import tracked


def main() -> None:
    params = read_params()
    ingest, strip = params[IngestParams], params[StripParams]
    source = SOURCES[ingest.source]
    if source.composed:
        Layout.of(strip, params[PreprocessParams])  # refuses a bad layout before the old data are gone

    with tracked("ingest") as tracker, held("ingest"):
        tracker.params("ingest", ingest.model_dump())
        arrived = source.read(ingest, strip)

        with whole_folder(RAW) as folder:
            raw.write(arrived, folder)
        count = len(arrived.content)
        print(f"ingest: {count:,} {type(arrived.content).__name__.lower()} from {ingest.source}")

        tracker.metrics({"count": count})
        tracker.file(RAW / "manifest.json")


if __name__ == "__main__":
    stage.run(main)
