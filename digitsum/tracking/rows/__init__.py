"""Results in MLflow. No other room knows its client, its ids or its filters."""
