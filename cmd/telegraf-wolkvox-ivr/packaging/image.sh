#!/bin/sh
# Makes an OCI image archive for $ARCHS in $DIST, with the Telegraf of go.mod built with $TELEGRAF_TAGS. `make image` runs it.
. cmd/telegraf-wolkvox-ivr/packaging/common.sh

telegraf=github.com/influxdata/telegraf
go mod download $telegraf
telegraf_source=$(go list -m -f '{{.Dir}}' $telegraf)
telegraf_version=$(go list -m -f '{{.Version}}' $telegraf)

rm -f "$DIST"/telegraf-wolkvox-ivr_*_image*
name=telegraf-wolkvox-ivr_${VERSION}_image
images=
for arch in $ARCHS; do
	echo "image for linux_$arch, version $VERSION"
	root=$built/$arch
	mkdir -p "$root/1/usr/bin" "$root/1/usr/share/doc/telegraf" \
		"$root/2/usr/bin" "$root/2/usr/share/doc/telegraf-wolkvox-ivr" "$root/2/etc/telegraf/telegraf.d"

	GOOS=linux GOARCH=$arch go build -C "$telegraf_source" -tags "$TELEGRAF_TAGS" -ldflags "$TELEGRAF_LDFLAGS" -o "$root/1/usr/bin/telegraf" ./cmd/telegraf
	(cd "$telegraf_source" && GOOS=linux GOARCH=$arch GOFLAGS="$GOFLAGS -tags=$TELEGRAF_TAGS" "$built/package" copyright ./cmd/telegraf) \
		>"$root/1/usr/share/doc/telegraf/copyright"
	VERSION=${telegraf_version#v} sbom "$root/1/usr/bin/telegraf" "$DIST/${name}_telegraf_linux_$arch.cdx.json"

	build "linux_$arch" "$root/2/usr/bin/telegraf-wolkvox-ivr"
	licences "linux_$arch" "$root/2/usr/share/doc/telegraf-wolkvox-ivr/copyright"
	sbom "$root/2/usr/bin/telegraf-wolkvox-ivr" "$DIST/${name}_linux_$arch.cdx.json"
	cp sample.conf "$root/2/usr/share/doc/telegraf-wolkvox-ivr"
	cp $package/container/telegraf.conf $package/container/wolkvox_ivr.conf "$root/2/etc/telegraf"
	cp $package/telegraf.d.conf "$root/2/etc/telegraf/telegraf.d/wolkvox_ivr.conf"
	images="$images $arch=$root"
done
# shellcheck disable=SC2086 # a word each
"$built/package" image "$DIST/$name.tar" "telegraf-wolkvox-ivr:$VERSION" $images
sums
