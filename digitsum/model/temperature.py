"""Temperature scaling: Guo et al., On Calibration of Modern Neural Networks, ICML 2017."""

import math

import numpy as np
from jaxtyping import Float, Integer
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

HOTTEST = 20.0


def temper(log_probability: Float[np.ndarray, "n s"], temperature: float) -> Float[np.ndarray, "n s"]:
    """The distributions at a temperature, softmax(log P / temperature); the inverse temperature undoes it."""
    tempered: Float[np.ndarray, "n s"] = log_softmax(log_probability.astype(np.float64) / temperature, axis=1)
    return tempered


def best_temperature(log_probability: Float[np.ndarray, "n s"], sums: Integer[np.ndarray, " n"]) -> float:
    """The temperature with the least negative log-likelihood of the sums, between 1 / HOTTEST and HOTTEST."""
    rows = np.arange(len(sums))

    def loss(log_temperature: float) -> float:
        return float(-temper(log_probability, math.exp(log_temperature))[rows, sums].mean())

    limit = math.log(HOTTEST)
    return math.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-4}).x)
