"""Statistics of pixels."""

import numpy as np
from jaxtyping import UInt8


def mean_and_deviation(images: UInt8[np.ndarray, "n h w"]) -> tuple[float, float]:
    """Mean and standard deviation of the pixels, scaled to 0..1; from exact counts of the 256 gray levels.

    Images are counted one by one, since numpy counts an int64 copy, which is eight times as large as the images.
    """
    counts = sum((np.bincount(image.reshape(-1), minlength=256) for image in images), start=np.zeros(256, np.int64))
    values = np.arange(256) / 255
    mean = float(np.average(values, weights=counts))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))
