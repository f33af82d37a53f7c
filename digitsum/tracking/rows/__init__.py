"""Results as MLflow holds them."""
