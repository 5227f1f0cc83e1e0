#!/bin/sh
# Builds an OCI image archive from all Linux archives of $VERSION in $DIST, with $ENGINE: podman or buildah. `make image` runs it.
set -eu

: "${ENGINE:?needs podman or buildah}" "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
image=telegraf-wolkvox-ivr:$VERSION
file=$DIST/telegraf-wolkvox-ivr_${VERSION}_image.tar
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
trap 'exit 1' HUP INT TERM

$ENGINE manifest rm "$image" >/dev/null 2>&1 || true # images of an earlier build
for archive in "$DIST/telegraf-wolkvox-ivr_${VERSION}"_linux_*.tar.gz; do
	[ -e "$archive" ] || { echo "There is no archive of $VERSION in $DIST: run make package or package-all first." >&2; exit 1; }
	tar -xzf "$archive" -C "$built"
	folder=$built/$(basename "$archive" .tar.gz)
	system=$(echo "${folder##*_linux_}" | sed 's|armv|arm/v|')
	echo "image for linux/$system, version $VERSION"
	$ENGINE build --quiet --manifest "$image" --platform "linux/$system" ${BASE:+--from "$BASE"} \
		--label "org.opencontainers.image.version=$VERSION" --timestamp "$SOURCE_DATE_EPOCH" \
		-f "$folder/cmd/telegraf-wolkvox-ivr/packaging/container/Containerfile" "$folder"
done
rm -f "$file"
$ENGINE manifest push --quiet --all "$image" "oci-archive:$file:$image"
sh cmd/telegraf-wolkvox-ivr/packaging/sums.sh
