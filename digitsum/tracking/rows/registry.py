"""The registered model: its versions, and which of them is champion or challenger."""

import json
from typing import Any

from digitsum.errors import InputError
from digitsum.tracking.rows.store import EXPERIMENT

MODEL = EXPERIMENT  # the registered model has the name of the experiment
CHAMPION, CHALLENGER = "champion", "challenger"
REPLACED, WITHDRAWN = "digitsum.replaced", "digitsum.withdrawn"
LONGEST = 4000  # characters of a tag


class Registry:
    def __init__(self, client: Any):
        self._client = client

    def holder(self, alias: str) -> Any | None:
        """The version that an alias names."""
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_model_version_by_alias(MODEL, alias)
        except MlflowException as error:
            # of a model without versions, and of a version that is gone
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def version_of(self, model: str) -> Any | None:
        """The version that is the logged model with this id."""
        found = self._client.search_model_versions(f"name = '{MODEL}'")
        same = [version for version in found if version.source == _source(model)]
        return min(same, key=lambda version: int(version.version)) if same else None

    def register(self, model: str, row: str) -> Any:
        """The version of a logged model, which is made where there is none."""
        import mlflow
        from mlflow.exceptions import MlflowException

        if version := self.version_of(model):
            return version
        try:
            self._client.create_registered_model(MODEL)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        mlflow.set_tracking_uri(self._client.tracking_uri)  # by which an embedded registry finds the source
        return self._client.create_model_version(MODEL, _source(model), row, model_id=model)

    def record(self, version: Any, verdict: dict[str, Any], reason: str) -> None:
        """On the version as tags and description; whole, as an artifact of the run that the version is from."""
        against = verdict["against"] or "none"
        path = f"verdicts/version-{version.version}-against-{against}.json"
        self._client.log_text(version.run_id, json.dumps(verdict, indent=2) + "\n", path)
        tags = {
            "digitsum.verdict": "passes" if verdict["passes"] else "refused",
            "digitsum.against": against,
            "digitsum.test_data": verdict["test_data"],
            "digitsum.reason": reason[:LONGEST],
            "digitsum.verdict_file": f"runs:/{version.run_id}/{path}",
        }
        for check in verdict["checks"]:
            tags[f"digitsum.check.{check['name']}"] = f"{check['value']} ({check['bound']})"
        for name, value in tags.items():
            self._client.set_model_version_tag(MODEL, version.version, name, value)
        self._client.update_model_version(MODEL, version.version, reason[:LONGEST])

    def crown(self, version: Any, replaced: Any | None) -> None:
        """Makes it the champion; all that matters is the alias, which changes at once."""
        if replaced is not None:
            self._client.set_model_version_tag(MODEL, version.version, REPLACED, str(replaced.version))
        self._client.set_registered_model_alias(MODEL, CHAMPION, version.version)
        self._readmit(version)
        challenger = self.holder(CHALLENGER)
        if challenger is not None and challenger.version == version.version:
            self._client.delete_registered_model_alias(MODEL, CHALLENGER)

    def challenge(self, version: Any) -> None:
        self._client.set_registered_model_alias(MODEL, CHALLENGER, version.version)

    def rollback(self) -> tuple[Any, Any]:
        """The champion that was, and the one before it, which is champion again.

        Raises:
            InputError: if there is no champion, or none before it.
        """
        from mlflow.exceptions import MlflowException

        champion = self.holder(CHAMPION)
        if champion is None:
            raise InputError(f"models:/{MODEL}@{CHAMPION}: there is none; python -m digitsum promote RUN makes one")
        number = champion.tags.get(REPLACED)
        if number is None:
            raise InputError(f"models:/{MODEL}/{champion.version}: replaced no other, so there is none to go back to")
        try:
            before = self._client.get_model_version(MODEL, number)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise InputError(
                f"models:/{MODEL}/{number}: the champion before version {champion.version} is gone from the registry; "
                "python -m digitsum promote RUN makes another"
            ) from error
        self._client.set_model_version_tag(MODEL, champion.version, WITHDRAWN, "true")
        self._client.set_registered_model_alias(MODEL, CHAMPION, before.version)
        self._readmit(before)
        return champion, before

    def _readmit(self, version: Any) -> None:
        if WITHDRAWN in version.tags:
            self._client.delete_model_version_tag(MODEL, version.version, WITHDRAWN)


def _source(model: str) -> str:
    return f"models:/{model}"
