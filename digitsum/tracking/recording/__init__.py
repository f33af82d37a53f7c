"""What a stage records: on disk first, then sent to MLflow by a process beside the stage."""
