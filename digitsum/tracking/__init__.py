"""Record results in MLflow, and find them again.

`results` knows git and DVC, `rows` knows MLflow, and `recording` is what stages use. `sync` brings the three together.
"""
