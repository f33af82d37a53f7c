"""params.yaml, typed and strict: the loader, and a module for each section."""
