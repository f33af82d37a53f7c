"""Results in git and DVC. No other room knows their formats."""
