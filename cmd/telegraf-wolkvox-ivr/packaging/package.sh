#!/bin/sh
# Makes the packages, archives and SBOMs of the systems in $SYSTEMS, and their checksums, in $DIST. `make package` runs it.
. cmd/telegraf-wolkvox-ivr/packaging/common.sh

rm -f "$DIST"/telegraf-wolkvox-ivr[-_]* "$DIST/SHA256SUMS"
documents "$built/doc"
cp $package/nfpm.yaml "$built"
doc=/usr/share/doc/telegraf-wolkvox-ivr share=/usr/share/telegraf-wolkvox-ivr

# list TYPE FROM TO lists the files of a folder for nfpm.
list() {
	echo "  - {type: dir, dst: '$3', file_info: {mode: 0755}}"
	(cd "$2" && find * -type d) | while read -r folder; do
		echo "  - {type: dir, dst: '$3/$folder', file_info: {mode: 0755}}"
	done
	(cd "$2" && find * -type f) | while read -r file; do
		echo "  - {type: $1, src: '$2/$file', dst: '$3/$file', file_info: {mode: 0644}}"
	done
}

# What users copy or point other programs at is no documentation, which small systems leave out; the guides refer to it by links.
mkdir "$built/share"
{
	for file in $(cd "$built/doc/testdata" && ls outputs/* grafana/*.json grafana/*.yaml); do
		mkdir -p "$built/share/$(dirname "$file")"
		mv "$built/doc/testdata/$file" "$built/share/$file"
		echo "  - {type: symlink, src: '../../../../telegraf-wolkvox-ivr/$file', dst: '$doc/testdata/$file'}"
	done
	list file "$built/share" $share
	list doc "$built/doc" $doc
} >>"$built/nfpm.yaml"

# The program that is packaged may be another machine's: the help of this one's is the same.
host=$(go env GOHOSTOS)_$(go env GOHOSTARCH)
build "$host" "$built/telegraf-wolkvox-ivr"
"$built/package" manual "$VERSION" "$built/telegraf-wolkvox-ivr" >"$built/manual"
"$built/package" changelog "$VERSION" "$MAINTAINER" >"$built/changelog"
for page in manual changelog; do "$built/package" gzip <"$built/$page" >"$built/$page.gz"; done

for system in $SYSTEMS; do
	os=${system%_*} arch=${system#*_}
	name=telegraf-wolkvox-ivr_${VERSION}_$system
	folder=$built/$name
	program=$folder/telegraf-wolkvox-ivr
	echo "$system, version $VERSION"
	documents "$folder"
	cp LICENSE "$folder"
	licences "$system" "$folder/copyright"
	case $os in
	windows)
		program=$program.exe
		cp -R $package/windows/* "$folder"
		archive=$DIST/$name.zip
		;;
	*)
		cp "$built/manual" "$folder/telegraf-wolkvox-ivr.1"
		archive=$DIST/$name.tar.gz
		;;
	esac
	if [ "$system" = "$host" ]; then cp "$built/telegraf-wolkvox-ivr" "$program"; else build "$system" "$program"; fi
	sbom "$program" "$DIST/$name.cdx.json"
	"$built/package" archive "$archive" "$folder"

	if [ "$os" = linux ]; then
		licences "$system" "$built/copyright.deb" --debian
		for format in deb rpm; do
			ARCH=$arch PROGRAM=$program BUILT=$built FOLDER=$folder \
				bin/nfpm package -f "$built/nfpm.yaml" -p $format -t "$DIST/" >"$built/nfpm.log" || { cat "$built/nfpm.log" >&2; exit 1; }
		done
	fi
done
# Hosts of releases keep no tilde in a file's name, and SHA256SUMS has to know what they call it.
for file in "$DIST"/telegraf-wolkvox-ivr*~*; do
	if [ -e "$file" ]; then mv "$file" "$DIST/$(basename "$file" | tr '~' -)"; fi
done
sums
