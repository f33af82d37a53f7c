"""Search for better params: Optuna proposes them, DVC runs them, and validation chooses."""
