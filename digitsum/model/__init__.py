"""Models: backbones, heads, the polynomials that turn distributions over digits into one over sums, and training."""

BATCH_SIZE = 250  # strips predicted at once, by default
