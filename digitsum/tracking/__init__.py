"""Where results are recorded: MLflow, or nowhere."""
