"""What a model gets right and wrong: metrics, intervals, comparisons, charts and pages."""
