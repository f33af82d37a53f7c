"""Glyphs, strips composed of them, the sources of both, and how they are split, warped and cut."""
