"""params.yaml, typed and strict: the loader, and one file for each section."""
