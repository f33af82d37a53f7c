"""The precision that a model computes features in: bfloat16 where that is faster than float32.

Some processors multiply in bfloat16 and are slower at it. So both are timed, once for each processor, number of
threads, architecture and version of torch. The times are kept in the user's cache folder, so that the choice never
changes.
"""

import copy
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import UInt8
from torch import Tensor

from digitsum import arithmetic
from digitsum.errors import InputError
from digitsum.files import write_json
from digitsum.formats import read_json

if TYPE_CHECKING:
    from digitsum.model.architecture import SumModel

STRIPS = 16  # in the batch that is timed
ROUNDS = 5  # of which the fastest counts
MARGIN = 0.97  # of float32's time, to be undercut, or the gain is noise


def multiplies_bfloat16(device: str) -> bool:
    """Whether the hardware multiplies matrices in bfloat16; emulating that is slower than float32.

    Portable arithmetic does not use it, since AVX2 does not multiply bfloat16.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu" and arithmetic.in_effect() != "portable":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False


def is_faster_in_bfloat16(model: "SumModel") -> bool:
    """Whether training this model is faster in bfloat16 on its device and with the present number of threads."""
    if model.device.type != "cpu" or not multiplies_bfloat16("cpu"):
        return multiplies_bfloat16(model.device.type)
    file = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "digitsum" / "precision.json"
    key = f"{_processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {_architecture(model)}"
    known = _read(file)
    if key not in known:
        print("timing bfloat16 against float32, once for this processor and architecture", flush=True)
        known[key] = _seconds(model)
        try:
            write_json(file, known)
        except (InputError, OSError) as error:
            print(f"note: the times are not kept, and are taken anew in each run ({error})")
    return known[key]["bfloat16"] < MARGIN * known[key]["float32"]


def _seconds(model: "SumModel") -> dict[str, float]:
    """The time of a forward and a backward pass through the backbone in either precision."""
    model = copy.deepcopy(model).train()  # batch normalization changes its statistics
    data, generator = model.data, torch.Generator().manual_seed(0)
    strips = torch.randint(0, 256, (STRIPS, data.height, data.width), generator=generator, dtype=torch.uint8)
    best = {"float32": float("inf"), "bfloat16": float("inf")}
    for turn in range(ROUNDS + 1):  # in turns, so that a slow phase of the machine slows both; the first warms up
        for name, fastest in best.items():
            model.in_bfloat16 = name == "bfloat16"
            seconds = _pass(model, strips)
            if turn > 0:
                best[name] = min(fastest, seconds)
    return best


def _pass(model: "SumModel", strips: UInt8[Tensor, "n h w"]) -> float:
    start = time.perf_counter()
    torch.autograd.backward(model.features(strips).sum())
    return time.perf_counter() - start


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The name of the processor and what distinguishes those of one name."""
    fields: dict[str, str] = {}
    if cpuinfo.exists():
        for line in cpuinfo.read_text().split("\n\n", 1)[0].splitlines():
            name, _, value = line.partition(":")
            fields[name.strip()] = value.strip()
    names = ("model name", "cpu family", "model", "stepping")
    able = sorted(name for name, there in torch.cpu.get_capabilities().items() if there is True)
    return " ".join([*(fields.get(name, "") for name in names), *able])


def _architecture(model: "SumModel") -> str:
    return f"{model.params.model_dump_json()} on {model.data.height} x {model.data.width}"


def _read(file: Path) -> dict[str, dict[str, float]]:
    """The times that are kept; none if the file is missing or damaged."""
    try:
        known = read_json(file)
        return {
            key: {name: float(times[name]) for name in ("float32", "bfloat16")} for key, times in dict(known).items()
        }
    except (InputError, TypeError, ValueError, KeyError):
        return {}
