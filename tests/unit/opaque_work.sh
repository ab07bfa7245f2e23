#!/bin/bash
# A user who does not exist costs the server what one costs who does: the instructions of one KE2 are
# counted by valgrind, so that no clock is needed. 64 of some three million may differ, and a
# call that leaves work out shows that leaving it out would be seen.
# usage: opaque_work.sh VALGRIND PROGRAM
set -euo pipefail

valgrind=$1
program=$2

# count WHAT: the instructions of its KE2.
count() {
	local report number
	report=$("$valgrind" --tool=callgrind --callgrind-out-file=/dev/null \
		--toggle-collect=kiln_opaque_generate_ke2 "$program" "$1" 2>&1) || {
		printf '%s\n' "$report" >&2
		return 1
	}
	number=$(sed -n 's/.*Collected : \([0-9]*\)$/\1/p' <<<"$report")
	[ -n "$number" ] || {
		printf '%s\n' "$report" >&2
		return 1
	}
	echo "$number"
}

differ() {
	local by=$(($1 - $2))
	echo "${by#-}"
}

known=$(count known)
other=$(count other)
unknown=$(count unknown)
hasty=$(count hasty)
echo "known $known, other $other, unknown $unknown, with work left out $hasty"
((known > 100000)) || {
	echo "that is too little to be a KE2"
	exit 1
}
(($(differ "$known" "$other") <= 64 && $(differ "$known" "$unknown") <= 64)) || {
	echo "they differ"
	exit 1
}
(($(differ "$known" "$hasty") > 64)) || {
	echo "work that was left out did not show"
	exit 1
}
