#!/bin/sh
# Prints the semantic version of the source in the working directory. With the tag v1.2.3 checked out, it is 1.2.3. Later commits
# are pre-releases of the next version, such as 1.2.4-git20260131.4.gabcdef0123. Each commit sorts after its ancestors and before
# the next tag, also in a .deb and an .rpm. Without tags, CHANGELOG.md names the last release. Without git's history, 1.2.4-unreleased
# marks changes that are in no release.
set -eu

# Ignore a repository that this folder was unpacked into.
GIT_CEILING_DIRECTORIES=$(dirname "$PWD") GIT_OPTIONAL_LOCKS=0 TZ=UTC
export GIT_CEILING_DIRECTORIES GIT_OPTIONAL_LOCKS TZ

# prerelease_base VERSION prints the start of a version that sorts after this one and before the next.
prerelease_base() {
	case $1 in
	*-*) echo "$1." ;;
	*) echo "${1%.*}.$((${1##*.} + 1))-" ;;
	esac
}

released=$(sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)
[ ! -e .git ] || git rev-parse --git-dir >/dev/null # otherwise git reports why it can't read the history
if ! hash=$(git rev-parse --short=10 HEAD 2>/dev/null); then
	base=${released:-0.0.0}
	sed -n '/^## \[Unreleased\]/,/^## \[[0-9]/p' CHANGELOG.md | grep -q '^[^#]' && base=$(prerelease_base "$base")unreleased
	echo "$base"
	exit
fi
if described=$(git describe --tags --long --match 'v[0-9]*' 2>/dev/null); then
	described=${described%-g*}
	base=${described%-*} commits=${described##*-}
	base=${base#v}
else
	base=${released:-0.0.0}
	# A shallow clone lacks the release's commit but has the whole changelog.
	cut=$([ -z "$released" ] || [ "$(git rev-parse --is-shallow-repository)" = true ] || git log -1 --format=%H -S"## [$released]" -- CHANGELOG.md)
	commits=$(git rev-list --count ${cut:+"$cut.."}HEAD)
fi
dirty=$([ -z "$(git status --porcelain --untracked-files=no)" ] || echo .dirty)

if [ "$commits$dirty" = 0 ]; then
	echo "$base"
	exit
fi
# The latest date of all commits: clocks differ, and the date must not fall from one commit to the next.
date=$(git log --format=%cd --date=format-local:%Y%m%d | sort | tail -n 1)
echo "$(prerelease_base "$base")git$date.$commits.g$hash$dirty"
