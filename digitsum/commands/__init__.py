"""What a person can ask for besides the stages: `python -m digitsum COMMAND`.

A command is a module of this package. Its docstring is its help text, EXAMPLE its example, `add_arguments(parser)`
declares its arguments, and `run` takes them by name. Nothing else lists it.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def commands() -> dict[str, ModuleType]:
    """Every command by its name. What is slow to import, they import when they run."""
    names = [module.name for module in iter_modules(__path__) if not module.name.startswith("_")]
    return {name: import_module(f"{__name__}.{name}") for name in names}
