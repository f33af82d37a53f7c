"""The use of the machine while a stage runs."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from digitsum.tracking.recording import machine
from digitsum.tracking.recording.machine import sampled


def samples(seconds: float) -> list[Mapping[str, float]]:
    found: list[Mapping[str, float]] = []
    steps: list[int] = []

    def note(sample: Mapping[str, float], step: int) -> None:
        found.append(sample)
        steps.append(step)

    with sampled(note):
        time.sleep(seconds)
    assert steps == list(range(len(found)))
    return found


def smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """An `nvidia-smi` that is this shell script; machines of tests may have no GPU."""
    file = folder / "nvidia-smi"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_each_block_has_a_sample_and_a_longer_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    (sample,) = samples(0)
    assert 0 < sample["system/process_memory_usage_megabytes"] < sample["system/system_memory_usage_megabytes"] * 10
    assert 0 <= sample["system/cpu_utilization_percentage"] <= 100
    monkeypatch.setattr(machine, "SECONDS", 0.05)
    assert len(samples(0.5)) > 1


def test_use_of_each_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(tmp_path, monkeypatch, "echo '87, 1000, 350.5'; echo '3, 10, [N/A]'")
    (sample,) = samples(0)
    assert {name: value for name, value in sample.items() if "gpu" in name} == {
        "system/gpu_0_utilization_percentage": 87,
        "system/gpu_0_memory_usage_megabytes": 1048.6,
        "system/gpu_0_power_usage_watts": 350.5,
        "system/gpu_1_utilization_percentage": 3,
        "system/gpu_1_memory_usage_megabytes": 10.5,
    }


@pytest.mark.parametrize("script", ["exit 9", "echo No devices were found"])
def test_machine_without_a_gpu_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    smi(tmp_path, monkeypatch, script)
    (sample,) = samples(0)
    assert not any("gpu" in name for name in sample)


def test_error_in_the_block_is_raised_after_the_last_sample() -> None:
    found: list[int] = []
    with pytest.raises(KeyError), sampled(lambda _, step: found.append(step)):
        raise KeyError
    assert found == [0]
