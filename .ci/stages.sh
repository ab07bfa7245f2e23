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
	tee "$1" | { grep --line-buffered -E '^ *[0-9]+/[0-9]+ Test|^tests/vm/run:|^ {4}\[' || true; }
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

stage_host() { # PRESET
	local without=() where=this-machine
	# kTLS tests need a kernel that has it; the rig's own test is the same whatever the build.
	if ! host_has_ktls; then
		without=(-LE ktls)
	fi
	if [ "$1" != dev ]; then
		without=(-LE 'vm|ktls')
	fi
	run_stage "$1-$where" ctest --test-dir "build/$1" -j "$(nproc)" --no-tests=error \
		"${without[@]}" --output-junit "$results/$1-$where.xml"
}

stage_vm() { # PRESET KERNEL
	local stage=$1-vm-$2 version
	say "preparing the virtual machine ($2 kernel)"
	if ! version=$(tests/vm/run --kernel "$2" --fetch 2>"$results/$stage.log"); then
		cat "$results/$stage.log"
		record "$stage" 0 skipped "$(tail -n 1 "$results/$stage.log")"
		return
	fi
	say "its kernel is $version"
	run_stage "$stage" tests/vm/run --kernel "$2" --timeout 2400 -- \
		"$(command -v ctest)" --test-dir "build/$1" -L ktls --no-tests=error \
		--output-junit "$results/$stage.xml"
}

stage_fuzz() { # SECONDS
	run_stage fuzz python3 .ci/fuzz.py "$1" "$results/fuzz.xml"
}

# The table, what was skipped and why, what failed with its output, and the count as last line.
results_end() {
	python3 .ci/report.py "$results"
}
