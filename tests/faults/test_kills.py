"""Kills at a hundred seeded moments: the same command again ends as if nothing had happened."""

import os

import pytest

from faults.pipeline import Undisturbed, run_and_kill

MOMENTS = int(os.environ.get("MOMENTS", "100"))
COLD = 5  # every so many-th run imports its libraries, which takes a minute; the others have them at hand
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("seed", [seed for seed in range(MOMENTS) if seed % COLD])
def test_killed_run(seed: int, undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> None:
    run_and_kill(seed, undisturbed, tmp_path_factory.mktemp("path"), cold=False)


@pytest.mark.parametrize("seed", range(0, MOMENTS, COLD))
def test_killed_run_of_ordinary_processes(
    seed: int, undisturbed_cold: Undisturbed, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run_and_kill(seed, undisturbed_cold, tmp_path_factory.mktemp("path"), cold=True)
