#!/bin/sh
# Builds packages, archives and SBOMs for the systems in $SYSTEMS, and their checksums, in $DIST. `make package` runs it. The same
# source gives the same bytes anywhere, anytime: nothing depends on the clock, the folder or the umask.
set -eu
packaging=cmd/telegraf-wolkvox-ivr/packaging

echo "${VERSION:?is set by make}" | grep -Eq '^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$' || {
	echo "VERSION is $VERSION: set it to one like 1.2.3 or 1.2.3-rc.1." >&2
	exit 1
}
# The last commit's time, or else the earliest time that a .zip can store.
: "${SOURCE_DATE_EPOCH:=$(GIT_CEILING_DIRECTORIES=$(dirname "$PWD") git log -1 --format=%ct 2>/dev/null || echo 315532800)}"
export SOURCE_DATE_EPOCH GOAMD64=v1 GOARM64=v8.0 CGO_ENABLED=0
# Without GOROOT, go-licenses takes all packages for Go's own. The rest makes git archive the same way everywhere.
GOROOT=$(go env GOROOT) TZ=UTC LC_ALL=C GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_COMMITTER_DATE="@$SOURCE_DATE_EPOCH +0000"
GIT_AUTHOR_DATE=$GIT_COMMITTER_DATE GIT_AUTHOR_NAME=- GIT_AUTHOR_EMAIL=- GIT_COMMITTER_NAME=- GIT_COMMITTER_EMAIL=-
export GOROOT TZ LC_ALL GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM GIT_COMMITTER_DATE GIT_AUTHOR_DATE
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
umask 022

mkdir -p "$DIST"
rm -f "$DIST"/telegraf-wolkvox-ivr[-_]* "$DIST/SHA256SUMS"
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
trap 'exit 1' HUP INT TERM

# quietly runs a command and shows its output only if it fails.
quietly() {
	"$@" >"$built/log" 2>&1 || { cat "$built/log" >&2; exit 1; }
}

# licences FILE writes the licences of everything linked into the program: Go's own, and those that go-licenses finds.
licences() {
	rm -rf "$built/licences"
	quietly bin/go-licenses save ./cmd/telegraf-wolkvox-ivr --ignore telegraf-wolkvox-ivr --save_path "$built/licences"
	mkdir "$built/licences/Go"
	cp "$GOROOT/LICENSE" "$built/licences/Go"
	(cd "$built/licences" && find . -type f | sort | while read -r file; do printf '\n==== %s ====\n\n' "${file#./}"; cat "$file"; done) >"$1"
}

# archive FOLDER FILE archives a folder under its own name. tar and zip are not on every system and don't write the same bytes everywhere.
archive() {
	GIT_DIR=$built/git
	export GIT_DIR
	rm -rf "$GIT_DIR"
	git -c init.defaultBranch=- init -q --bare "$GIT_DIR"
	git --work-tree="$1" -c core.compression=0 -c core.autocrlf=false add --all --force .
	git -c tar.umask=022 archive --prefix="$(basename "$1")/" -o "$2" "$(git commit-tree -m - "$(git write-tree)")"
	unset GIT_DIR
}

# Everything that users may want to read, in the folders that its links expect.
doc=$built/doc
for file in README*.md CHANGELOG.md sample*.conf testdata/README*.md testdata/*.conf testdata/outputs/* testdata/fleet/* testdata/bench/README*.md \
	testdata/grafana/* testdata/grafana/*/wolkvox_ivr*.json testdata/zabbix/* plugins/common/host/README*.md plugins/inputs/wolkvox_ivr/*.md \
	plugins/inputs/wolkvox_ivr/*.svg cmd/telegraf-wolkvox-ivr/README*.md $packaging/*.md $packaging/kubernetes.yaml $packaging/telegraf.d.conf \
	$(find $packaging/container $packaging/systemd $packaging/windows -type f); do
	if [ -f "$file" ]; then
		mkdir -p "$doc/$(dirname "$file")"
		cat "$file" >"$doc/$file"
	fi
done

for system in $SYSTEMS; do
	name=telegraf-wolkvox-ivr_${VERSION}_$system
	folder=$built/$name program=telegraf-wolkvox-ivr
	GOOS=${system%_*} GOARCH=${system#*_} GOARM=
	case $system in
	*_armv7) GOARCH=arm GOARM=7 ;;
	windows_*) program=$program.exe ;;
	esac
	export GOOS GOARCH GOARM
	echo "$system, version $VERSION"
	cp -R "$doc" "$folder"
	cp LICENSE "$folder"
	licences "$folder/third-party-licences.txt"
	go build -ldflags "$TELEGRAF_LDFLAGS -X main.version=$VERSION" -o "$folder/$program" ./cmd/telegraf-wolkvox-ivr
	quietly bin/cyclonedx-gomod bin -json -std -noserial -notimestamp -version "$VERSION" -output "$DIST/$name.cdx.json" "$folder/$program"
	if [ "$GOOS" = windows ]; then
		cp -R $packaging/windows/* "$folder"
		archive "$folder" "$DIST/$name.zip"
		continue
	fi
	cp $packaging/telegraf-wolkvox-ivr.1 "$folder"
	archive "$folder" "$DIST/$name.tar.gz"
	if [ "$GOOS" != linux ]; then continue; fi # the rest needs GNU find, date and touch

	# Files that users copy or give to other programs aren't documentation, which small systems leave out. The guides link to them.
	root=$built/root
	rm -rf "$root"
	mkdir -p "$root/usr/share/man/man1" "$root/usr/share/telegraf-wolkvox-ivr" "$root/usr/share/doc"
	cp -R "$doc" "$root/usr/share/doc/telegraf-wolkvox-ivr"
	for file in $(cd "$doc/testdata" && ls outputs/* zabbix/* grafana/*.yaml grafana/*/*.json); do
		mkdir -p "$root/usr/share/telegraf-wolkvox-ivr/$(dirname "$file")"
		mv "$root/usr/share/doc/telegraf-wolkvox-ivr/testdata/$file" "$root/usr/share/telegraf-wolkvox-ivr/$file"
		up=$(dirname "$file" | sed 's:[^/]*:..:g')
		ln -s "../../../$up/telegraf-wolkvox-ivr/$file" "$root/usr/share/doc/telegraf-wolkvox-ivr/testdata/$file"
	done
	gzip -9n <"$folder/telegraf-wolkvox-ivr.1" >"$root/usr/share/man/man1/telegraf-wolkvox-ivr.1.gz"
	cat >"$built/changelog.yaml" <<-END
		- semver: $(echo "$VERSION" | sed 's/-/~/')-1
		  date: $(date -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)
		  packager: "$MAINTAINER"
		  deb: {urgency: medium, distributions: [stable]}
		  changes: [{note: What has changed is in CHANGELOG.md of this package.}]
	END
	# nfpm marks files of an .rpm as documents only if they are listed one by one.
	{
		cat $packaging/nfpm.yaml
		(cd "$root" && find usr -path '*/telegraf-wolkvox-ivr*' \( \
			-type d -printf "  - {packager: rpm, type: dir, dst: '/%p', file_info: {mode: 0755}}\n" -o \
			-type l -printf "  - {packager: rpm, type: symlink, dst: '/%p', src: '%l'}\n" -o \
			-path 'usr/share/telegraf-*' -printf "  - {packager: rpm, dst: '/%p', src: '$root/%p', file_info: {mode: 0644}}\n" -o \
			-printf "  - {packager: rpm, type: doc, dst: '/%p', src: '$root/%p', file_info: {mode: 0644}}\n" \))
		echo "changelog: $built/changelog.yaml"
	} >"$built/nfpm.yaml"
	find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	for format in deb rpm; do
		quietly env "ARCH=$GOARCH$GOARM" "FOLDER=$folder" "ROOT=$root" bin/nfpm package -f "$built/nfpm.yaml" -p $format -t "$DIST/"
	done
done
# Release hosts replace a tilde in a file name, and SHA256SUMS must contain their name.
for file in "$DIST"/telegraf-wolkvox-ivr*~*; do
	if [ -e "$file" ]; then mv "$file" "$DIST/$(basename "$file" | tr '~' -)"; fi
done
sh $packaging/sums.sh
