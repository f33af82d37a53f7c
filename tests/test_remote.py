"""What a DVC remote sends is compared with dvc.lock."""

from pathlib import Path

import boto3
import pytest
from servers import s3_objects, s3_server
from shell import call

from digitsum.retraining.dvc_runs import require_remote


@pytest.mark.slow
@pytest.mark.parametrize("verified", [False, True])
def test_object_that_was_replaced_on_s3_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verified: bool
) -> None:
    """Without what `require_remote` does, DVC takes it: if that ever ends, so can this test."""
    monkeypatch.chdir(tmp_path)
    with s3_server() as (endpoint, keys):
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
        call("git", "init", "-q")
        call("dvc", "init", "-q")
        call("dvc", "remote", "add", "-q", "--default", "shared", "s3://digitsum/dvc")
        call("dvc", "remote", "modify", "-q", "shared", "endpointurl", endpoint)
        config = Path(".dvc/config").read_text()
        Path("model").write_text("own")
        call("dvc", "add", "-q", "model")
        call("dvc", "push", "-q")
        (name,) = [name for name in s3_objects(endpoint) if "/files/md5/" in name]
        client = boto3.client("s3", endpoint_url=endpoint)
        client.put_object(Bucket="digitsum", Key=name, Body=b"foreign")
        call("rm", "-rf", ".dvc/cache", "model")
        if verified:
            require_remote()
        said = call("dvc", "pull", code=int(verified))
        assert Path("model").exists() == (not verified)
        assert ("failed to pull" in said) == verified
        assert Path(".dvc/config").read_text() == config, "what is in git stays as it is"
        assert call("git", "status", "--short", ".dvc/config.local") == ""
