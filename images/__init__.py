"""The container images of Fabula: one Dockerfile, built with docker or, daemonless, buildah."""

from images.builder import build
from images.process import BuildError
from images.targets import TARGETS, Target, content_key

DEBIAN_PACKAGES = ("buildah", "ca-certificates", "debootstrap")
"""What a build without a Docker engine needs on a Debian machine."""

__all__ = ["DEBIAN_PACKAGES", "TARGETS", "BuildError", "Target", "build", "content_key"]
