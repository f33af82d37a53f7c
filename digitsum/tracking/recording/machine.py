"""How busy the machine is while a stage runs, by the names that MLflow gives its system metrics."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread

import psutil

SECONDS = 5.0  # between two samples
GPU = {  # by nvidia-smi's name: MLflow's name, and the factor to MLflow's unit
    "utilization.gpu": ("utilization_percentage", 1.0),
    "memory.used": ("memory_usage_megabytes", 1.048576),
    "power.draw": ("power_usage_watts", 1.0),
}


@contextmanager
def sampled(note: Callable[[Mapping[str, float], int], None]) -> Iterator[None]:
    """Call `note` with a sample and its number every few seconds while the block runs, and once more at its end."""
    ended, process = Event(), psutil.Process()

    def sample() -> None:
        psutil.cpu_percent()  # the next call returns the mean since this one
        number, last = 0, False
        while not last:
            last = ended.wait(SECONDS)
            note(_use(process), number)
            number += 1

    thread = Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _use(process: psutil.Process) -> dict[str, float]:
    memory = psutil.virtual_memory()
    use = {
        "cpu_utilization_percentage": psutil.cpu_percent(),
        "system_memory_usage_megabytes": memory.used / 1e6,
        "system_memory_usage_percentage": memory.percent,
        "process_memory_usage_megabytes": process.memory_info().rss / 1e6,
    }
    return {f"system/{name}": round(value, 1) for name, value in (use | _use_of_gpus()).items()}


def _use_of_gpus() -> dict[str, float]:
    """The use of NVIDIA's GPUs; empty where nvidia-smi is missing or fails."""
    if shutil.which("nvidia-smi") is None:
        return {}
    words = ["nvidia-smi", f"--query-gpu={','.join(GPU)}", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    use = {}
    for number, line in enumerate(output.splitlines()):
        for (name, unit), value in zip(GPU.values(), line.split(","), strict=False):
            with suppress(ValueError):  # "[N/A]", where the driver does not know it
                use[f"gpu_{number}_{name}"] = unit * float(value)
    return use
