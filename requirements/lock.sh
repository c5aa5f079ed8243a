#!/bin/sh
# Resolve the four sets, largest first, so that each smaller one repeats its versions;
# then the extras, which go on top of the run-time set and leave its versions alone.
#
# Only names, versions and hashes are kept: a lock that recorded addresses would tie
# everyone to the index it was made with.
# Called by `make lock`, which sets BIN to the folder that holds uv.
set -eu

resolve() { # name, then what to resolve
    name=$1
    shift
    "$BIN/uv" pip compile --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-annotate --no-header ${UPGRADE:+--upgrade} \
        "$@" --output-file "requirements/$name.txt"
}

title() { # name, what the set is for
    {
        echo "# $2"
        echo "# Names, versions and hashes only.  Written by \`make lock\`; edit pyproject.toml instead."
        cat "requirements/$1.txt"
    } >"requirements/$1.tmp"
    mv "requirements/$1.tmp" "requirements/$1.txt"
}

resolve web pyproject.toml --group web
resolve dev pyproject.toml --group dev --constraint requirements/web.txt
resolve core pyproject.toml --constraint requirements/dev.txt
resolve demo --group pyproject.toml:demo --constraint requirements/core.txt \
    --constraint requirements/dev.txt
resolve explore pyproject.toml --extra explore --constraint requirements/web.txt

title web "What the browser tests and the fuzzer need, on top of the tests' set."
title dev "What the tests, the linter and the type checker need, on top of the run-time set."
title core "Every run-time dependency."
title demo "What \`make demo\` needs: no venue client and no network client."
title explore "The extra \`explore\`: SQL over the read models, on top of the run-time set."
wc -l requirements/*.txt
