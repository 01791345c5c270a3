#!/bin/sh
# Install hashed requirements into /opt/fabula/lib and leave only what running needs.
# Runs inside the build; the arguments are requirements files.
set -eu

lib=/opt/fabula/lib
for requirements in "$@"; do
    # The locks are complete, so nothing is resolved here. Wheels only: no compiler is in any image.
    python3 -m pip install --quiet --no-input --disable-pip-version-check --root-user-action=ignore \
        --no-deps --only-binary=:all: --require-hashes --no-compile --target "$lib" \
        --requirement "$requirements"
done

rm -rf "$lib/bin"
find "$lib" -depth -type d \( -name tests -o -name __pycache__ \) -exec rm -rf {} +
find "$lib" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' \) -delete
# Not in *.libs: strip leaves what patchelf moved there so that it cannot be loaded.
find "$lib" -type d -name '*.libs' -prune -o \
    -type f \( -name '*.so' -o -name '*.so.*' \) -exec strip --strip-unneeded {} +

# With a read-only root nothing can be compiled later. Unchecked: a copy's time stamps do not matter.
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash "$lib"
