# The short names for what a person does here. See README.md.
.PHONY: run test test-kill fuzz lint coverage-of-spec bench measure-log measure-evaluation measure-publish screenshots

# Builds the release binary, serves, runs examples/hello.yml and goes on serving.
run:
	scripts/run.sh

# Everything that must hold before a change lands. Ends with what could not be run on this machine.
test:
	scripts/test.sh

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo metadata --quiet --locked --format-version 1 --manifest-path fuzz/Cargo.toml >target/fuzz-packages.json
	cargo deny --log-level error check licenses bans sources
	scripts/check-papers.sh

# The process is ended at every named fault point, on both databases. make test runs a short form.
test-kill:
	scripts/packages.sh test
	ROPEWALK_KILL=all cargo nextest run -p ropewalk --features faults -E 'binary(kill)'

# Each reader of untrusted bytes gets a minute of mutated input. make test runs a short form.
fuzz:
	scripts/packages.sh test
	scripts/fuzz.sh 60

# Are all rows of the acceptance tables shown by tests of their names? make test asks it too.
coverage-of-spec:
	scripts/coverage-of-spec.sh

# What the release binary takes, beside what the machine itself takes for the same; see docs/run/performance.md.
bench:
	scripts/bench.sh

# How long parts of a stored log of 1 GiB take to open and to search, and the first look at a running one after a
# restart, beside what wc and cat take for the same file.
measure-log:
	ROPEWALK_LOG_MIB=1024 cargo nextest run -p ropewalk-door-web --no-capture -E 'test(a_stored_log_opens_anywhere)'
	scripts/measure-first-look.sh

# How long an evaluation of 1,000 jobs takes, beside the bare nix-instantiate with the same walker.
measure-evaluation:
	cargo test -q -p ropewalk-runner --test nix -- --measure

# What a publish into a repository of 10,000 packages costs, beside one of 10 and beside repo-add.
measure-publish:
	scripts/packages.sh test
	ROPEWALK_PUBLISH_PACKAGES=10000 cargo nextest run -p ropewalk --no-capture -E 'test(a_publish_into_a_large_repository)'

# Takes the pictures in docs/img anew, by the browser test.
screenshots:
	scripts/packages.sh test
	mkdir -p docs/img
	ROPEWALK_SHOTS=$(CURDIR)/docs/img cargo nextest run -p ropewalk -E 'test(every_page_can_be_used_by_everybody)'
