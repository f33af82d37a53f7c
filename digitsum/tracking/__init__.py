"""Record results in MLflow, and find them again.

`results` knows git and DVC, `rows` knows MLflow, and `recording` is what stages use. `sync` brings the three together.
"""

NAMES = (  # of a result
    "a git revision, a DVC experiment, workspace, champion, challenger, models:/NAME@ALIAS, the name of a run, its id "
    "or the beginning of its id, a recipe, or a file of the result"
)
