"""Which instructions results are computed with: the same on every x86-64 Linux machine, or the fastest of this one.

Libraries choose their kernels by the processor, and kernels differ in the last bits: in the order of additions, in
whether a product is rounded before it is added, in the polynomial behind an exponential. Each library reads a setting
of its own from the environment, once, when it is loaded. So all are made here, before any is: this module imports none.
"""

import os
import platform
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Literal

Arithmetic = Literal["portable", "fastest"]

# AVX2 with fused multiply-add, which x86-64 processors of servers and laptops have had since about 2015
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # torch's convolutions
    "MKL_CBWR": "COMPATIBLE",  # torch's matrix products and Fourier transforms; on AMD's processors MKL has no other
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # NumPy's functions and sums
    "OPENBLAS_CORETYPE": "Haswell",  # matrix products of NumPy and SciPy
    "OPENBLAS_NUM_THREADS": "1",  # by default one for each core
}
# these would override the ones above, round more coarsely, or change the number of threads
UNSET = (
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_ENABLE_CPU_FEATURES",
    "OMP_DYNAMIC",
    "OMP_THREAD_LIMIT",
    "ONEDNN_DEFAULT_FPMATH_MODE",
)


def choose(wanted: Arithmetic) -> None:
    """Makes the settings of portable arithmetic, where that is wanted and possible, for this process and its children.

    Once NumPy or torch is imported, it is too late for them, and nothing changes.
    """
    if wanted == "portable" and not obstacle() and not {"numpy", "torch"} & sys.modules.keys():
        apply(os.environ)


def in_effect() -> Arithmetic:
    """What the libraries of this process were asked for."""
    return "portable" if PORTABLE.items() <= os.environ.items() else "fastest"


def apply(environment: MutableMapping[str, str]) -> None:
    """Puts the settings of portable arithmetic into a process's environment."""
    for name in UNSET:
        environment.pop(name, None)
    environment.update(PORTABLE)


def obstacle(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What keeps this machine from portable arithmetic; empty if nothing does."""
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        return f"this is {system} on {machine}, not Linux on x86_64"
    flags = next((line.split() for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), [])
    missing = sorted({"avx2", "fma"} - set(flags))
    return f"this processor has no {' and no '.join(missing)}" if missing else ""


def wanted_by(stage: str, params: object) -> Arithmetic:
    """What params.yaml, parsed but not validated yet, asks for; a stage without such a param is portable."""
    section = params.get(stage) if isinstance(params, Mapping) else None
    return "fastest" if isinstance(section, Mapping) and section.get("arithmetic") == "fastest" else "portable"
