"""What a model gets right and wrong: metrics, pictures, pages."""
