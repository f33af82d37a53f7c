"""What happens when a change comes in: a model is trained, judged, promoted, and somebody is told."""
