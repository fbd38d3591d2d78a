# The short names for what a person does here. See README.md.
.PHONY: test
test:
	cargo nextest run --workspace --no-tests=pass
