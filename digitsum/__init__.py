"""The nouns that the stages share: strips, models, analysis, tracking."""
