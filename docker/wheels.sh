#!/bin/sh
# Builds a wheel of each folder of the checkout that is named, and of each plugin in $PLUGINS, and
# prints what to install: the wheel, the extras that its name had in brackets, and its digest.
#
#     PLUGINS='text speech[diarization]' docker/wheels.sh '.[s3]' workers > build/wheels.txt
set -eu

for plugin in ${PLUGINS:-}; do
    set -- "$@" "plugins/$plugin"
done

for member in "$@"; do
    folder=${member%%\[*}
    extras=${member#"$folder"}
    place=$PWD/build/wheels/$(basename "$(realpath "$folder")")
    rm -rf "$place"
    (cd "$folder" && hatchling build --target wheel --directory "$place" >&2)
    for wheel in "$place"/*.whl; do
        echo "$wheel$extras --hash=sha256:$(sha256sum "$wheel" | cut -d ' ' -f 1)"
    done
done
