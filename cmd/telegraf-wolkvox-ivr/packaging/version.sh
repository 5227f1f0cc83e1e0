#!/bin/sh
# Prints the version of the source in the working directory, a semantic one. It is the tag's, v1.2.3, where that is what is
# checked out; after it, a pre-release of the next version, 1.2.4-git20260131.4.gabcdef0123, so that each commit comes after
# its ancestors and before the next tag, in a .deb and an .rpm too. Of releases without tags CHANGELOG.md tells, and so it does
# without git's history, where 1.2.4-unreleased has changes that no release has.
set -eu

# No other repository's, that this folder was unpacked in.
GIT_CEILING_DIRECTORIES=$(dirname "$PWD") GIT_OPTIONAL_LOCKS=0 TZ=UTC
export GIT_CEILING_DIRECTORIES GIT_OPTIONAL_LOCKS TZ

# forerunner VERSION begins a version that comes after this one and before the next.
forerunner() {
	case $1 in
	*-*) echo "$1." ;;
	*) echo "${1%.*}.$((${1##*.} + 1))-" ;;
	esac
}

released=$(sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)
[ ! -e .git ] || git rev-parse --git-dir >/dev/null # or else git says what keeps it from the history
if ! hash=$(git rev-parse --short=10 HEAD 2>/dev/null); then
	base=${released:-0.0.0}
	sed -n '/^## \[Unreleased\]/,/^## \[[0-9]/p' CHANGELOG.md | grep -q '^[^#]' && base=$(forerunner "$base")unreleased
	echo "$base"
	exit
fi
if described=$(git describe --tags --long --match 'v[0-9]*' 2>/dev/null); then
	described=${described%-g*}
	base=${described%-*} commits=${described##*-}
	base=${base#v}
else
	base=${released:-0.0.0}
	# A shallow clone does not have the commit of the release, but all of the changelog.
	cut=$([ -z "$released" ] || [ "$(git rev-parse --is-shallow-repository)" = true ] || git log -1 --format=%H -S"## [$released]" -- CHANGELOG.md)
	commits=$(git rev-list --count ${cut:+"$cut.."}HEAD)
fi
dirty=$([ -z "$(git status --porcelain --untracked-files=no)" ] || echo .dirty)

if [ "$commits$dirty" = 0 ]; then
	echo "$base"
	exit
fi
# The latest date of all, since clocks differ: it must not fall from a commit to the next.
date=$(git log --format=%cd --date=format-local:%Y%m%d | sort | tail -n 1)
echo "$(forerunner "$base")git$date.$commits.g$hash$dirty"
