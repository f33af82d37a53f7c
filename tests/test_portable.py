"""What is the same on every x86-64 Linux machine with AVX2; `make test-portable` emulates others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, change

from digitsum import arithmetic

pytestmark = pytest.mark.skipif(bool(arithmetic.obstacle()), reason=arithmetic.obstacle())

# as a shell on a processor with AVX-512 may have them
OUTER = {
    "ATEN_CPU_CAPABILITY": "avx512",
    "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "MKL_CBWR": "AVX512",
    "MKL_ENABLE_INSTRUCTIONS": "AVX512",
    "NPY_ENABLE_CPU_FEATURES": "X86_V3",
    "OPENBLAS_CORETYPE": "SkylakeX",
    "OPENBLAS_NUM_THREADS": "2",
    "OMP_NUM_THREADS": "2",
}


def python(*words: str, **environment: str) -> str:
    """The output of a Python that has none of the settings that conftest.py makes."""
    plain = {name: value for name, value in os.environ.items() if name not in arithmetic.PORTABLE}
    done = subprocess.run(
        [sys.executable, "-W", "error", *words],
        env={**plain, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow(20)
def test_all_stages_give_the_bytes_that_other_processors_gave_whatever_the_shell_says() -> None:
    python(str(ROOT / "tests" / "portable.py"), **OUTER)


KERNELS = {
    "ATEN_CPU_CAPABILITY": "torch.rand(64, 999).log_softmax(1)",
    "ONEDNN_MAX_CPU_ISA": "torch.nn.functional.conv2d(torch.rand(2, 64, 20, 20), torch.rand(64, 64, 3, 3))",
    "MKL_CBWR": "torch.rand(64, 300) @ torch.rand(300, 64)",
    "NPY_DISABLE_CPU_FEATURES": "np.exp(np.linspace(-5, 5, 10_000))",
    "OPENBLAS_CORETYPE": "np.linspace(0, 1, 9_000).reshape(30, 300) @ np.linspace(1, 2, 9_000).reshape(300, 30)",
}


DIGEST_OF_EACH = """
import sys
from digitsum import arithmetic
without, *kernels = sys.argv[1:]
arithmetic.PORTABLE.pop(without, None)
arithmetic.choose("portable")
import hashlib, numpy as np
if "torch" in str(kernels):
    import torch
for kernel in kernels:
    "torch" in kernel and torch.manual_seed(0)
    print(hashlib.sha256(np.asarray(eval(kernel)).tobytes()).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.skipif("avx512f" not in Path("/proc/cpuinfo").read_text(), reason="this processor has no more than AVX2")
def test_each_setting_changes_bits_where_there_is_more_than_avx2() -> None:
    with_all = python("-c", DIGEST_OF_EACH, "", *KERNELS.values()).split()
    for (setting, kernel), digest in zip(KERNELS.items(), with_all, strict=True):
        assert python("-c", DIGEST_OF_EACH, setting, kernel).split() != [digest], setting


@pytest.mark.parametrize(("imported", "in_effect"), [("sys", "portable"), ("numpy", "fastest"), ("torch", "fastest")])
def test_the_settings_come_before_the_libraries_or_not_at_all(imported: str, in_effect: str) -> None:
    code = f"import {imported}; from digitsum import arithmetic as a; a.choose('portable'); print(a.in_effect())"
    assert python("-c", code) == f"{in_effect}\n"


def test_a_processor_without_avx2_claims_nothing(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: Nehalem\nflags\t\t: fpu sse sse2 sse4_2 popcnt\n")
    assert arithmetic.obstacle(cpuinfo) == "this processor has no avx2 and no fma"
    cpuinfo.write_text("flags\t\t: fpu sse4_2 fma avx2\n")
    assert arithmetic.obstacle(cpuinfo) == ""


@pytest.mark.parametrize("wanted", ["portable", "fastest"])
def test_a_stage_computes_as_its_params_say(project: Path, wanted: str) -> None:
    change(project, "train", arithmetic=wanted)
    code = (
        "import sys; import stages; from digitsum import arithmetic as a; print(a.in_effect(), 'torch' in sys.modules)"
    )
    assert python("-c", code, "stages.train") == f"{wanted} False\n"
