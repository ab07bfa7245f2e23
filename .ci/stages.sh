# shellcheck shell=bash
# The stages of `./bootstrap test`. Each leaves a line in build/results/stages.tsv, and JUnit XML
# beside it; .ci/report.py counts them. Sourced by bootstrap.

results=$root/build/results

results_begin() {
	rm -rf "$results"
	mkdir -p "$results"
}

# record STAGE SECONDS STATUS [REASON]: STATUS is the exit status, or "skipped" with its reason.
record() {
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" >>"$results/stages.tsv"
}

# Shows the tests' lines as they come, and keeps everything.
progress() { # LOG
	tee "$1" | { grep --line-buffered -E '^ *[0-9]+/[0-9]+ Test|^tests/vm/run:' || true; }
}

# run_stage STAGE COMMAND...: COMMAND writes $results/STAGE.xml.
run_stage() {
	local stage=$1 begin=$SECONDS status=0
	shift
	say "testing: $stage"
	"$@" 2>&1 </dev/null | progress "$results/$stage.log" || status=$?
	record "$stage" $((SECONDS - begin)) "$status"
}

host_has_ktls() {
	{ ((EUID)) || modprobe -q tls || true; } 2>/dev/null
	grep -qw tls /proc/sys/net/ipv4/tcp_available_ulp 2>/dev/null
}

# Tests that make sense only with kTLS have no other label of a kind; others with it run here as well.
tests_of_ktls_only() { # PRESET
	ctest --test-dir "build/$1" --show-only=json-v1 | python3 -c '
import json, re, sys
for test in json.load(sys.stdin)["tests"]:
    labels = [p["value"] for p in test.get("properties", []) if p["name"] == "LABELS"]
    if labels and "ktls" in labels[0] and set(labels[0]) <= {"ktls", "core", "long"}:
        print(re.escape(test["name"]))' | paste -sd '|'
}

stage_host() { # PRESET
	local without=() where=this-machine ktls_only
	# The rig's own test is the same whatever the build.
	if [ "$1" != dev ]; then
		if [ -n "${all:-}" ]; then without+=(-LE '^vm$'); else without+=(-LE '^(vm|plain)$'); fi
	fi
	if ! host_has_ktls; then
		ktls_only=$(tests_of_ktls_only "$1")
		[ -z "$ktls_only" ] || without+=(-E "^($ktls_only)\$")
	fi
	# Most tests wait most of their time. Those that do not say so (PROCESSORS).
	run_stage "$1-$where" ctest --test-dir "build/$1" -j "$((2 * $(nproc)))" --no-tests=error \
		"${without[@]}" --output-junit "$results/$1-$where.xml"
}

stage_vm() { # PRESET KERNEL
	local stage=$1-vm-$2 version only=(-L '^ktls$')
	# With --all everything on every kernel. Otherwise all but the long ones on the stock kernel,
	# and elsewhere what depends on the kernel and the build most.
	if [ -z "${all:-}" ]; then
		if [ "$1-$2" = dev-stock ]; then only+=(-LE '^long$'); else only+=(-L '^core$'); fi
	fi
	say "preparing the virtual machine ($2 kernel)"
	if ! version=$(tests/vm/run --kernel "$2" --fetch 2> >(tee "$results/$stage.log" >&2)); then
		record "$stage" 0 skipped "$(tail -n 1 "$results/$stage.log")"
		return
	fi
	say "its kernel is $version"
	run_stage "$stage" tests/vm/run --kernel "$2" --timeout 2400 --env KILN_EXPECT_PATH=ktls -- \
		"$(command -v ctest)" --test-dir "build/$1" -j 2 "${only[@]}" --no-tests=error \
		--output-junit "$results/$stage.xml"
}

# A build that fails is a failed stage like any other: the rest is still worth running.
stage_build() { # PRESET
	local begin=$SECONDS
	(build "$1") 2>"$results/build-$1.log" && return
	say "building build/$1 FAILED"
	record "build-$1" $((SECONDS - begin)) 1
	return 1
}

stages_of() { # PRESET KERNEL...
	local preset=$1 kernel
	shift
	stage_build "$preset" || return 0
	stage_host "$preset"
	for kernel; do
		stage_vm "$preset" "$kernel"
	done
}

stage_fuzz() { # SECONDS
	run_stage fuzz python3 .ci/fuzz.py "$1" "$results/fuzz.xml"
}

# The table, what was skipped and why, what failed with its output, and the count as last line.
results_end() {
	python3 .ci/report.py "$results"
}
