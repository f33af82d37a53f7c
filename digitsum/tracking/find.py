"""Results that are not the workspace's: of a git revision, an experiment or a row, and the files that they had."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from digitsum.errors import InputError
from digitsum.places import LOCK
from digitsum.tracking.results.cache import fetch, find
from digitsum.tracking.results.checksums import checksum, digest
from digitsum.tracking.results.git import git
from digitsum.tracking.results.result import Essence, essence, experiments, params_of
from digitsum.tracking.rows.rows import Rows
from digitsum.tracking.rows.store import opened
from digitsum.tracking.trace import find_row


@dataclass(frozen=True)
class Other:
    """A result by its dvc.lock."""

    name: str
    lock: str

    @cached_property
    def stages(self) -> dict[str, Essence]:
        return essence(self.lock)

    @property
    def params(self) -> dict[str, Any]:
        return params_of(self.stages)

    def checksum(self, path: Path | str) -> str | None:
        """Of a file that a stage read or wrote."""
        for stage in self.stages.values():
            if md5 := (stage["outs"] | stage["deps"]).get(str(path)):
                return str(md5)
        return None

    @contextmanager
    def file(self, path: Path | str) -> Iterator[Path]:
        """What a stage read or wrote: of the working tree, the cache, MLflow or the remote, as long as the block runs.

        Raises:
            InputError: if it is nowhere to be had.
        """
        md5 = self.checksum(path)
        if md5 is None:
            raise InputError(f"{self.name}: its dvc.lock knows of no {path}")
        with TemporaryDirectory(prefix="digitsum-") as folder:
            for found in self._candidates(str(path), md5, folder):
                if found is not None and checksum(found) == md5:
                    yield found
                    return
        raise InputError(
            f"{path} of {self.name} (MD5 {md5}) is neither in DVC's cache nor in MLflow nor in a remote; "
            "dvc fetch in a clone that has it, or python -m digitsum reproduce, brings it back"
        )

    def _candidates(self, path: str, md5: str, folder: str) -> Iterator[Path | None]:
        yield find(path, md5)
        yield self._logged(path, folder)
        yield fetch(path, md5)

    def _logged(self, path: str, folder: str) -> Path | None:
        """Stages log what they write."""
        from mlflow.exceptions import MlflowException

        stage = next((name for name, stage in self.stages.items() if path in stage["outs"]), None)
        if stage is None:
            return None
        with suppress(InputError, MlflowException, OSError), opened() as (client, experiment):
            made = digest(self.stages[stage]["outs"])
            for run in Rows(client, experiment).find(digitsum__outs=made, digitsum__stage=stage):
                return Path(client.download_artifacts(run.info.run_id, Path(path).name, folder))
        return None


def find_result(what: str) -> Other:
    """That of a git revision, of DVC's experiment of that name, or of what `find_row` takes.

    Raises:
        InputError: if there is none.
    """
    commits = {name: commit for commit, name in experiments()}
    with suppress(subprocess.CalledProcessError):
        commit = git("rev-parse", "--verify", "--quiet", f"{commits.get(what, what)}^{{commit}}").strip()
        with suppress(subprocess.CalledProcessError):
            return Other(what, git("show", f"{commit}:{LOCK}"))
        raise InputError(f"{what}: a commit without {LOCK}, which has no result")
    with opened() as (client, experiment):
        return of_row(client, find_row(Rows(client, experiment), client, what))


def champion() -> Other | None:
    """The registered champion's result, if there is one."""
    with opened() as (client, experiment):
        row = Rows(client, experiment).champion()
        return None if row is None else of_row(client, row)


def of_row(client: Any, row: Any) -> Other:
    with TemporaryDirectory(prefix="digitsum-") as folder:
        lock = Path(client.download_artifacts(row.info.run_id, LOCK, folder)).read_text()
    return Other(row.info.run_name, lock)


def here() -> Other:
    """That of the workspace.

    Raises:
        InputError: if there is no dvc.lock.
    """
    try:
        return Other("this result", Path(LOCK).read_text())
    except OSError as error:
        raise InputError(f"{LOCK}: no result to compare; dvc repro makes one") from error
