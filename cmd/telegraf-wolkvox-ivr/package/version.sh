#!/bin/sh
# Prints the version of the source in the working directory, a semantic one. It is the tag's, v1.2.3, where that is what is
# checked out; after it, a pre-release of the next version, 1.2.4-git20260131.4.gabcdef0123, so that each commit comes after
# its ancestors and before the next tag, in a .deb and an .rpm too. Of releases without tags CHANGELOG.md tells.
set -eu

# No other repository's, that this folder was unpacked in.
GIT_CEILING_DIRECTORIES=$(dirname "$PWD") GIT_OPTIONAL_LOCKS=0 TZ=UTC
export GIT_CEILING_DIRECTORIES GIT_OPTIONAL_LOCKS TZ

released=$(sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)
if ! hash=$(git rev-parse --short=10 HEAD 2>/dev/null); then
	echo "${released:-0.0.0}"
	exit
fi
if described=$(git describe --tags --long --match 'v[0-9]*' 2>/dev/null); then
	described=${described%-g*}
	base=${described%-*} commits=${described##*-}
	base=${base#v}
else
	base=${released:-0.0.0}
	cut=$([ -z "$released" ] || git log -1 --format=%H -S"## [$released]" -- CHANGELOG.md)
	commits=$(git rev-list --count ${cut:+"$cut.."}HEAD)
fi
dirty=$([ -z "$(git status --porcelain --untracked-files=no)" ] || echo .dirty)

if [ "$commits$dirty" = 0 ]; then
	echo "$base"
	exit
fi
# The latest date of all, since clocks differ: it must not fall from a commit to the next.
date=$(git log --format=%cd --date=format-local:%Y%m%d | sort | tail -n 1)
case $base in
*-*) next=$base. ;;
*) next=${base%.*}.$((${base##*.} + 1))- ;;
esac
echo "${next}git$date.$commits.g$hash$dirty"
