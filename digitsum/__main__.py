"""Commands around the pipeline. The stages themselves run through DVC: dvc repro."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter

from digitsum.commands import commands
from digitsum.errors import InputError, one_line, plain
from digitsum.process import leave, require_environment
from digitsum.stage import give_up_stdout


def parser() -> ArgumentParser:
    """Every command with its arguments, its description and an example."""
    whole = ArgumentParser(prog="python -m digitsum", description=__doc__)
    each = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in commands().items():
        own = each.add_parser(
            name,
            help=command.__doc__,
            description=command.__doc__,
            epilog=f"example:\n  {command.EXAMPLE}",
            formatter_class=RawDescriptionHelpFormatter,
        )
        command.add_arguments(own)
    return whole


def main() -> None:
    require_environment()
    arguments = vars(parser().parse_args())
    command = commands()[arguments.pop("command")]
    try:
        command.run(**arguments)
        sys.stdout.flush()
    except InputError as error:
        sys.exit(f"error: {plain(str(error))}")
    except KeyboardInterrupt:
        leave(130)
    except BrokenPipeError:  # stdout was closed early, for example by head
        give_up_stdout()
    except OSError as error:
        give_up_stdout()
        sys.exit(plain(f"error: {error.filename or 'standard output'}: {error.strerror or one_line(error)}"))


if __name__ == "__main__":
    main()
    leave()
