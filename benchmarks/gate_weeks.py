"""How often the gate promotes a recipe that is not better, and how soon one that is, on simulated weekly retrainings.

    PYTHONPATH=. python benchmarks/gate_weeks.py [--worlds 400]

A model is a recipe with a seed: it misreads hard glyphs, of which some are hard for this seed alone, and the seed makes
it better or worse on all glyphs. Prints a table in Markdown with rows for each spread of seeds: the share of weeks in
which an equal recipe with a new seed replaces the champion, and the share of worlds in which a recipe that is 0.5
points better does so within three weeks. The gate before judged by McNemar's exact test at 5%, strips taken for
independent.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import binomtest

from digitsum.analysis.replicates import compare_seeds

STRIPS = GLYPHS = 10_000  # as in mnist
DIGITS = 4
WRONG, BETTER = 0.02, 0.015  # shares of strips
LEAST = 0.002  # gate.min_improvement
WEEKS, TRIES = 26, 3

Right = Bool[np.ndarray, "s n"]
Gate = Callable[[Right, Right], bool]


@dataclass(frozen=True)
class Seeds:
    """How results of one recipe differ: the share of hard glyphs that are hard for a seed alone, and the standard
    deviation of the logarithm of the mistakes that a seed makes."""

    own: float
    scale: float


class World:
    def __init__(self, rng: np.random.Generator, seeds: Seeds):
        self.rng, self.seeds = rng, seeds
        self.glyphs: Int[np.ndarray, "n k"] = rng.integers(GLYPHS, size=(STRIPS, DIGITS))
        self.common = self.hard()

    def hard(self) -> Float[np.ndarray, " g"]:
        """For each glyph, a number below the share of strips in four fifths of which a hard glyph is misread."""
        return self.rng.random(GLYPHS)

    def train(self, wrong: float, count: int = 1) -> Right:
        """Which strips the models of so many seeds have right; a better recipe misreads the same glyphs less often."""
        found = []
        for _ in range(count):
            rank = np.where(self.rng.random(GLYPHS) < self.seeds.own, self.hard(), self.common)
            mean = (1 - (1 - wrong) ** (1 / DIGITS)) * np.exp(self.seeds.scale * self.rng.standard_normal())
            misread = np.where(rank < mean, 0.8, 0.2 * mean / (1 - mean))
            found.append(self.rng.random(STRIPS) < (1 - misread[self.glyphs]).prod(axis=1))
        return np.stack(found)


def gate_before(champion: Right, challenger: Right) -> bool:
    fixed, broken = int((~champion[0] & challenger[0]).sum()), int((champion[0] & ~challenger[0]).sum())
    enough = fixed - broken >= LEAST * STRIPS
    return enough and binomtest(fixed, fixed + broken).pvalue < 0.05


def gate_now(world: World, seed_sd: float) -> Gate:
    def passes(champion: Right, challenger: Right) -> bool:
        found = compare_seeds(champion, challenger, world.glyphs, seed_sd)
        return found.gain >= LEAST and found.p_value < 0.05

    return passes


def promotions(world: World, gate: Gate, count: int, wrong: float, weeks: int) -> Iterator[bool]:
    """Whether each week's retraining replaces the champion, which a recipe with WRONG made."""
    champion = world.train(WRONG, count)
    for _ in range(weeks):
        challenger = world.train(wrong, count)
        promoted = gate(champion, challenger)
        if promoted:
            champion = challenger
        yield promoted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=400, help="simulated for each row")
    parser.add_argument("--quick", action="store_true", help="a small run of seconds, whose numbers mean nothing")
    words = parser.parse_args()
    worlds, weeks = (1, 4) if words.quick else (words.worlds, WEEKS)
    print("| spread of seeds | gate | equal recipe promoted, of weeks | 0.5 points better: promoted within three |")
    print("|---|---|---|---|")
    for seeds in (Seeds(0.1, 0), Seeds(0.1, 0.05), Seeds(0.1, 0.15)):
        spread = sd_of_seeds(seeds)
        for name, count in (("before", 1), ("now", 1), ("now, 3 seeds each", 3), ("now, 5 seeds each", 5)):
            equal: list[bool] = []
            better: list[bool] = []
            for number in range(worlds):
                world = World(np.random.default_rng(number), seeds)
                gate = gate_before if name == "before" else gate_now(world, spread)
                equal += promotions(world, gate, count, WRONG, weeks if count == 1 else weeks // 4)
                better.append(any(promotions(world, gate, count, BETTER, TRIES)))
            figures = f"{np.mean(equal):.1%} | {np.mean(better):.0%}"
            print(f"| {100 * spread:.2f} points | {name} | {figures} |", flush=True)


def sd_of_seeds(seeds: Seeds) -> float:
    """The standard deviation of the accuracy on the same strips, from seed to seed."""
    world = World(np.random.default_rng(0), seeds)
    return float(world.train(WRONG, 200).mean(axis=1).std(ddof=1))


if __name__ == "__main__":
    main()
