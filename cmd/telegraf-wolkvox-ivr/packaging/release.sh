#!/bin/sh
# Makes all that a release of $VERSION consists of in $DIST, with NOTES.md out of CHANGELOG.md, if it is ready for one.
# `make release VERSION=1.2.3` runs it; the tag v1.2.3 can be set before or after.
set -eu
package=cmd/telegraf-wolkvox-ivr/packaging

fail() {
	echo "$*" >&2
	exit 1
}

echo "$VERSION" | grep -Eq '^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$' || fail "VERSION is $VERSION: set it to one like 1.2.3 or 1.2.3-rc.1."
changed=$(git status --porcelain)
[ -z "$changed" ] || fail "Commit or remove what is not committed first:
$changed"
if tagged=$(git rev-parse -q --verify "v$VERSION^{commit}"); then
	[ "$tagged" = "$(git rev-parse HEAD)" ] || fail "The tag v$VERSION is another commit: check it out."
fi
mkdir -p "$DIST"
notes=$DIST/NOTES.md
go run ./$package notes "$VERSION" >"$notes" || fail "No release of $VERSION."

"${MAKE:-make}" test
"${MAKE:-make}" package-all image VERSION="$VERSION" DIST="$DIST"
echo "$DIST has all of $VERSION."
