#!/bin/sh
# Writes the checksums of the files in $DIST, and lists them.
set -eu
cd "$DIST"
if command -v sha256sum >/dev/null; then sha256sum telegraf-wolkvox-ivr[-_]*; else shasum -a 256 telegraf-wolkvox-ivr[-_]*; fi >SHA256SUMS
ls -l
