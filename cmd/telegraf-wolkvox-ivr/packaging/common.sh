# What package.sh and image.sh have in common. The same source makes the same bytes, wherever and whenever: nothing depends on the
# clock, the folder or umask.
set -eu
package=cmd/telegraf-wolkvox-ivr/packaging

echo "${VERSION:?is set by make}" | grep -Eq '^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$' || {
	echo "VERSION is $VERSION: set it to one like 1.2.3 or 1.2.3-rc.1." >&2
	exit 1
}
# The last commit's time. Without one, the earliest that a .zip can tell.
: "${SOURCE_DATE_EPOCH:=$(GIT_CEILING_DIRECTORIES=$(dirname "$PWD") git log -1 --format=%ct 2>/dev/null || echo 315532800)}"
export SOURCE_DATE_EPOCH GOAMD64=v1 GOARM64=v8.0 CGO_ENABLED=0

mkdir -p "$DIST"
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
trap 'exit 1' HUP INT TERM
go build -o "$built/package" ./$package

# build SYSTEM FILE builds the program.
build() {
	GOOS=${1%_*} GOARCH=${1#*_} go build -ldflags "$TELEGRAF_LDFLAGS -X main.version=$VERSION" -o "$2" ./cmd/telegraf-wolkvox-ivr
}

# licences SYSTEM FILE [OPTION] writes those of all that is in the program.
licences() {
	GOOS=${1%_*} GOARCH=${1#*_} "$built/package" copyright ${3:+"$3"} ./cmd/telegraf-wolkvox-ivr >"$2"
}

# sbom PROGRAM FILE lists what is in a program.
sbom() {
	bin/cyclonedx-gomod bin -json -std -noserial -notimestamp -version "$VERSION" -output "$2" "$1" 2>"$built/sbom.log" ||
		{ cat "$built/sbom.log" >&2; exit 1; }
}

# documents FOLDER copies all that users may want to read, into the folders that its links expect.
documents() {
	for file in README*.md CHANGELOG.md sample.conf testdata/README*.md testdata/*.conf testdata/outputs/* testdata/fleet/* testdata/bench/README*.md \
		testdata/grafana/* plugins/common/host/README*.md plugins/inputs/wolkvox_ivr/*.md plugins/inputs/wolkvox_ivr/*.svg \
		cmd/telegraf-wolkvox-ivr/README*.md $package/*.md $package/kubernetes.yaml $package/telegraf.d.conf \
		$(find $package/container $package/systemd $package/windows -type f); do
		if [ -f "$file" ]; then
			mkdir -p "$1/$(dirname "$file")"
			cp "$file" "$1/$file"
			chmod 644 "$1/$file"
		fi
	done
}

sums() {
	"$built/package" sums "$DIST"/telegraf-wolkvox-ivr[-_]* >"$DIST/SHA256SUMS"
	ls -l "$DIST"
}
