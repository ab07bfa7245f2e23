#!/bin/bash
# Every C file is as .clang-format wants it. Versions differ in what they make of the same rules:
# Debian 12's, 14, is the one that counts.
# usage: style_format.sh TOP-OF-THE-TREE
set -euo pipefail
cd "$1"

program=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$program" ]; then
	echo "skipped: clang-format is not installed"
	exit 77
fi
version=$("$program" --version)
if [[ $version != *"version 14."* ]]; then
	echo "skipped: the tree is formatted with clang-format 14; this is $version"
	exit 77
fi
find lib gateway bpf bench tests docs -name '*.[ch]' -print0 |
	xargs -0 "$program" --dry-run --Werror
