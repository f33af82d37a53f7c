"""Models: backbones, the polynomials that turn beliefs into sums, heads, and their training."""
