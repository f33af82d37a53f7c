"""Retraining after a change: pull, reproduce, push, judge, promote, and write a comment about it."""
