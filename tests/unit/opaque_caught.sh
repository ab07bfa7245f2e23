#!/bin/bash
# A leak must be reported: valgrind's exit code for errors is 99, and it says what it saw.
# usage: opaque_caught.sh VALGRIND-COMMAND...
set -euo pipefail

status=0
report=$("$@" 2>&1) || status=$?
printf '%s\n' "$report"
[ "$status" = 99 ] || {
	echo "not caught: exit code $status"
	exit 1
}
grep -qE 'depends on uninitialised|Use of uninitialised' <<<"$report"
