#!/bin/sh
# Writes the checksums of what is in $DIST, and lists it.
set -eu
cd "$DIST"
if command -v sha256sum >/dev/null; then sha256sum telegraf-wolkvox-ivr[-_]*; else shasum -a 256 telegraf-wolkvox-ivr[-_]*; fi >SHA256SUMS
ls -l
