"""The checksums that DVC gives files and folders, and those of results."""

from digitsum.checksums import checksum, digest

__all__ = ["checksum", "digest"]
