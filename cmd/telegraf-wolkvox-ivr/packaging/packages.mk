# Builds packages, archives, SBOMs and the image in DIST.

# Systems for `make package-all`. `make package` builds only for this machine.
ALL_SYSTEMS := linux_amd64 linux_arm64 linux_armv7 windows_amd64 darwin_amd64 darwin_arm64
SYSTEMS     := $(shell go env GOHOSTOS)_$(shell go env GOHOSTARCH)
DIST        := dist
# The tool that `make image` uses.
ENGINE       = $(notdir $(shell command -v podman || command -v buildah))
# The packages' maintainer: set it when you publish them.
MAINTAINER := The telegraf-wolkvox-ivr authors <telegraf-wolkvox-ivr@example.org>

VERSION   = $(or $(shell sh $(PACKAGING)/version.sh),$(error No version of this source))
PACKAGERS := bin/nfpm bin/cyclonedx-gomod bin/go-licenses

bin/nfpm:            from := github.com/goreleaser/nfpm/v2/cmd/nfpm
bin/cyclonedx-gomod: from := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
bin/go-licenses:     from := github.com/google/go-licenses/v2
$(PACKAGERS): .ci/tools/go.mod
	go build -modfile=$< -o $@ $(from)

package: $(PACKAGERS) ## Builds what this machine can install in dist/: packages, an archive and its SBOM
	@VERSION='$(VERSION)' DIST='$(DIST)' SYSTEMS='$(SYSTEMS)' MAINTAINER='$(MAINTAINER)' TELEGRAF_LDFLAGS='$(TELEGRAF_LDFLAGS)' \
		sh $(PACKAGING)/package.sh

package-all: ## Builds packages, archives and SBOMs for all systems in dist/
	@$(MAKE) --no-print-directory package SYSTEMS='$(ALL_SYSTEMS)'

image: ## Builds an OCI image archive from the Linux archives in dist/, on Telegraf's official image, with podman or buildah
	@VERSION='$(VERSION)' DIST='$(DIST)' ENGINE='$(ENGINE)' sh $(PACKAGING)/image.sh

release: ## Checks that VERSION can be released, and builds it in dist/
	@VERSION='$(VERSION)' DIST='$(DIST)' MAKE='$(MAKE)' sh $(PACKAGING)/release.sh
