"""Makes the tests' images on the engine that DOCKER_HOST names: `python -m tests.system.engine.load`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import docker
import docker.utils

from tests.system.engine.base import IMAGES


def load(api: docker.APIClient) -> None:
    """Make every image, under the names that the tests know."""
    for name, (write, changes) in IMAGES.items():
        with tempfile.TemporaryDirectory(prefix="netlab-image-") as directory:
            tar = Path(directory, "image.tar")
            write(tar)
            api.import_image_from_file(str(tar), repository=name, tag="latest", changes=changes)


if __name__ == "__main__":
    load(docker.APIClient(version="auto", **docker.utils.kwargs_from_env()))
