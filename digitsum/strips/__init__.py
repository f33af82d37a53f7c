"""Images: glyphs, the strips composed of them, where they come from and how they are split."""
