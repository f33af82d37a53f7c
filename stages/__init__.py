"""The verbs: one module for each stage of dvc.yaml, each read top to bottom as load, compute, write, track."""
