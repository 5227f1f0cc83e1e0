#!/bin/sh
# Builds a release of $VERSION in $DIST, with NOTES.md from CHANGELOG.md, if everything is ready.
# `make release VERSION=1.2.3` runs it. Set the tag v1.2.3 before or after.
set -eu

fail() {
	echo "$*" >&2
	exit 1
}

# section HEADING prints the text under a heading of CHANGELOG.md.
section() {
	awk -v heading="$1" 'index($0, "## ") == 1 { found = index($0, heading) == 1; next } found' CHANGELOG.md
}

echo "$VERSION" | grep -Eq '^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$' || fail "VERSION is $VERSION: set it to one like 1.2.3 or 1.2.3-rc.1."
changed=$(git status --porcelain)
[ -z "$changed" ] || fail "Commit or remove what is not committed first:
$changed"
if tagged=$(git rev-parse -q --verify "v$VERSION^{commit}"); then
	[ "$tagged" = "$(git rev-parse HEAD)" ] || fail "The tag v$VERSION is another commit: check it out."
fi
heading="## [$VERSION] - "
grep -Fq "## [$VERSION]" CHANGELOG.md && section "## [$VERSION]" | grep -q '[^[:space:]]' ||
	fail "Nothing of version $VERSION is in CHANGELOG.md: write $heading$(date +%F), and what has changed."
grep -F "$heading" CHANGELOG.md | grep -Eq ' - [0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' ||
	fail "Version $VERSION in CHANGELOG.md has no date: write $heading$(date +%F)."
! section '## [Unreleased]' | grep -q '[^[:space:]]' ||
	fail "Unreleased changes are in CHANGELOG.md: bring them under $heading$(date +%F)."

"${MAKE:-make}" test
"${MAKE:-make}" package-all VERSION="$VERSION" DIST="$DIST"
"${MAKE:-make}" image VERSION="$VERSION" DIST="$DIST"
mkdir -p "$DIST"
section "$heading" | sed '/./,$!d' >"$DIST/NOTES.md"
echo "$DIST has all of $VERSION."
