#!/bin/sh
# Makes the packages and archives of the systems in $SYSTEMS, and their checksums, in $DIST. `make package` runs it.
# The same source makes the same bytes, wherever and whenever: nothing depends on the clock, the folder or umask.
set -eu
package=cmd/telegraf-wolkvox-ivr/package

version=$(sh $package/version.sh "${VERSION?is set by make package}")

# The last commit's time. Without one, the earliest that a .zip can tell.
: "${SOURCE_DATE_EPOCH:=$(GIT_CEILING_DIRECTORIES=$(dirname "$PWD") git log -1 --format=%ct 2>/dev/null || echo 315532800)}"
export SOURCE_DATE_EPOCH
export GOAMD64=v1 GOARM64=v8.0

archive() {
	GOOS='' GOARCH='' go run $package/archive.go "$@"
}

mkdir -p "$DIST"
rm -f "$DIST"/telegraf-wolkvox-ivr[-_]* "$DIST/SHA256SUMS"
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
trap 'exit 1' HUP INT TERM

for system in $SYSTEMS; do
	os=${system%_*} arch=${system#*_}
	program=$built/$system/telegraf-wolkvox-ivr
	archive=$DIST/telegraf-wolkvox-ivr_${version}_$system
	if [ "$os" = windows ]; then
		program=$program.exe archive=$archive.zip
	else
		archive=$archive.tar.gz
	fi
	echo "$system, version $version"
	GOOS=$os GOARCH=$arch go build -ldflags "-s -w -X main.version=$version" -o "$program" ./cmd/telegraf-wolkvox-ivr
	archive "$archive" "$program" sample.conf README.md CHANGELOG.md LICENSE
	if [ "$os" = linux ]; then
		for format in deb rpm; do
			VERSION=$version ARCH=$arch PROGRAM=$program bin/nfpm package -f $package/nfpm.yaml -p $format -t "$DIST/" >/dev/null
		done
	fi
done
archive "$DIST/SHA256SUMS" "$DIST"/telegraf-wolkvox-ivr[-_]*
ls -l "$DIST"
