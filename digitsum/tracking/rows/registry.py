"""The registered model: its versions, and which version is champion or challenger."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from digitsum.errors import InputError
from digitsum.tracking.rows.run import printable
from digitsum.tracking.rows.store import EXPERIMENT, MISSING, Store
from digitsum.tracking.rows.tags import LONGEST

MODEL = EXPERIMENT  # the registered model has the name of the experiment
CHAMPION, CHALLENGER = "champion", "challenger"
REPLACED, WITHDRAWN = "digitsum.replaced", "digitsum.withdrawn"
LONGEST_DESCRIPTION = 5000  # characters: the column in mlflow.store.model_registry.dbmodels.models


@dataclass(frozen=True)
class Version:
    """A version of the registered model."""

    number: str
    run: str  # the id of the row that it is from
    source: str  # models:/ID
    tags: Mapping[str, str]

    @classmethod
    def read(cls, version: Any) -> "Version":
        """From MLflow's own object."""
        tags = {name: printable(value) for name, value in version.tags.items()}
        return cls(str(version.version), version.run_id, version.source, tags)


class Registry:
    def __init__(self, store: Store):
        self._store, self._client = store, store.client

    def holder(self, alias: str, model: str = MODEL) -> Version | None:
        """The version that an alias names; None if it names none, or a deleted one."""
        return self._version(self._client.get_model_version_by_alias, model, alias)

    def version(self, number: str, model: str = MODEL) -> Version | None:
        return self._version(self._client.get_model_version, model, number)

    def _version(self, call: Any, *words: str) -> Version | None:
        from mlflow.exceptions import MlflowException

        try:
            return Version.read(call(*words))
        except MlflowException as error:
            if error.error_code in MISSING:
                return None
            raise

    def version_of(self, model: str) -> Version | None:
        """The first version that is the logged model with this id."""
        found = [Version.read(version) for version in self._client.search_model_versions(f"name = '{MODEL}'")]
        same = [version for version in found if version.source == _source(model)]
        return min(same, key=lambda version: int(version.number), default=None)

    def register(self, model: str, row: str) -> Version:
        """The version of a logged model, which is made if it is missing."""
        import mlflow
        from mlflow.exceptions import MlflowException

        if version := self.version_of(model):
            return version
        try:
            self._client.create_registered_model(MODEL)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        mlflow.set_tracking_uri(self._store.uri)  # an embedded registry looks for the source there
        return Version.read(self._client.create_model_version(MODEL, _source(model), row, model_id=model))

    def record(self, version: Version, verdict: dict[str, Any], reason: str) -> None:
        """Write a verdict on the version as tags and description, and as an artifact of the version's run."""
        against = verdict["against"] or "none"
        path = f"verdicts/version-{version.number}-against-{against}.json"
        self._client.log_text(version.run, json.dumps(verdict, indent=2) + "\n", path)
        tags = {
            "digitsum.verdict": "passes" if verdict["passes"] else "refused",
            "digitsum.against": against,
            "digitsum.test_data": verdict["test_data"],
            "digitsum.reason": reason[:LONGEST],
            "digitsum.verdict_file": f"runs:/{version.run}/{path}",
        }
        for check in verdict["checks"]:
            tags[f"digitsum.check.{check['name']}"] = f"{check['value']} ({check['bound']})"
        for name, value in tags.items():
            self._client.set_model_version_tag(MODEL, version.number, name, value)
        self._client.update_model_version(MODEL, version.number, reason[:LONGEST_DESCRIPTION])

    def crown(self, version: Version, replaced: Version | None) -> None:
        """Make a version the champion. The alias alone decides, and it changes at once."""
        if replaced is not None:
            self._client.set_model_version_tag(MODEL, version.number, REPLACED, replaced.number)
        self._client.set_registered_model_alias(MODEL, CHAMPION, version.number)
        self._readmit(version)
        challenger = self.holder(CHALLENGER)
        if challenger is not None and challenger.number == version.number:
            self._client.delete_registered_model_alias(MODEL, CHALLENGER)

    def challenge(self, version: Version) -> None:
        self._client.set_registered_model_alias(MODEL, CHALLENGER, version.number)

    def rollback(self) -> tuple[Version, Version]:
        """The champion until now, and the one before it, which is champion again.

        Raises:
            InputError: if there is no champion, or none before it.
        """
        champion = self.holder(CHAMPION)
        if champion is None:
            raise InputError(f"models:/{MODEL}@{CHAMPION}: there is none; python -m digitsum promote RUN makes one")
        number = champion.tags.get(REPLACED)
        if number is None:
            raise InputError(f"models:/{MODEL}/{champion.number}: replaced no other, so there is none to go back to")
        before = self.version(number)
        if before is None:
            raise InputError(
                f"models:/{MODEL}/{number}: the champion before version {champion.number} is gone from the registry; "
                "python -m digitsum promote RUN makes another"
            )
        self._client.set_model_version_tag(MODEL, champion.number, WITHDRAWN, "true")
        self._client.set_registered_model_alias(MODEL, CHAMPION, before.number)
        self._readmit(before)
        return champion, before

    def _readmit(self, version: Version) -> None:
        if WITHDRAWN in version.tags:
            self._client.delete_model_version_tag(MODEL, version.number, WITHDRAWN)


def _source(model: str) -> str:
    return f"models:/{model}"
