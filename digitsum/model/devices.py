"""The device that tensors are on, and the instructions and the precision that it computes with."""

import os
from typing import Literal

import torch

from digitsum import arithmetic
from digitsum.arithmetic import Arithmetic
from digitsum.errors import InputError


def prepare(
    name: Literal["auto", "cpu", "cuda", "mps"], threads: int, key: str, wanted: Arithmetic = "fastest"
) -> torch.device:
    """Pick the device, and make its results the same bits every time on one machine with one number of threads.

    Prints a note where portable arithmetic is `wanted` and not in effect on that device.

    Args:
        key: the param or option that `name` comes from.

    Raises:
        InputError: if this machine has no such device, or fewer than it has processes.
    """
    os.environ.setdefault(
        "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
    )  # read when CUDA starts; without it cuBLAS is not deterministic
    # does what use_deterministic_algorithms(True) does, which imports torch's compiler besides, for two seconds
    torch.set_deterministic_debug_mode("error")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # it costs 5% of the time
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False  # it would round what heads compute in float32 to ten bits
    torch.set_num_threads(threads)
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    if not there[name]:
        found = ", ".join(device for device, is_there in there.items() if is_there)
        raise InputError(f"params.yaml: `{key}` is {name!r}, but this machine has only {found}; set it to auto")
    if name == "cuda":
        processes, cards = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
        if processes > cards:
            raise InputError(
                f"params.yaml: `{key}` is cuda for {processes} processes, but there are {cards} GPUs here; start "
                f"{cards}, or set it to cpu"
            )
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    device = torch.device(name)
    if wanted == "portable" and arithmetic_of(device) != "portable":
        reason = f"the device is {name}" if name != "cpu" else arithmetic.obstacle() or "torch was imported before"
        print(f"note: arithmetic is not portable ({reason}); the exact bytes of these results are this machine's own")
    return device


def arithmetic_of(device: torch.device) -> Arithmetic:
    """What the device computes with in this process, as torch itself reports it."""
    portable = arithmetic.in_effect() == "portable" and torch.backends.cpu.get_cpu_capability() == "AVX2"
    return "portable" if portable and device.type == "cpu" else "fastest"


def describe(device: torch.device, in_bfloat16: bool = False) -> dict[str, str]:
    """What the bits of a result depend on, besides code, data and params."""
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return {
        "torch": torch.__version__,
        "device": device.type,
        "digitsum.arithmetic": arithmetic_of(device),  # instead of what the process as a whole was asked for
        "hardware": hardware,
        "threads": str(torch.get_num_threads()),
        "bfloat16": str(in_bfloat16).lower(),
    }
