# shellcheck shell=bash
# The Debian packages that Kiln needs, by purpose, and their installation. Sourced by bootstrap.

packages_build=(gcc libc6-dev linux-libc-dev cmake ninja-build pkgconf clang llvm bpftool
	libssl-dev liburing-dev libbpf-dev libjansson-dev libseccomp-dev libsodium-dev libunistring-dev libargon2-dev
	zlib1g-dev libsqlite3-dev libpq-dev libcurl4-openssl-dev libmicrohttpd-dev libcmocka-dev openssl
	python3)
packages_test=(libclang-rt-dev clang-format clang-tidy curl gnutls-bin procps iproute2 socat mandoc
	nginx valgrind postgresql)
# Peers that come from npm are part of the tests. Where node and npm are already there, from wherever,
# Debian's packages of them would only be in conflict.
command -v node >/dev/null && command -v npm >/dev/null || packages_test+=(nodejs npm)
packages_vm=(qemu-system-x86 busybox-static kmod python3)
packages_bench=(python3 openssl procps iproute2 nginx libnginx-mod-stream haproxy hitch stunnel4)

# missing_of PACKAGE...: prints those that are not installed.
missing_of() {
	local installed package
	installed=$(dpkg-query -W -f='${db:Status-Abbrev} ${binary:Package}\n' "$@" 2>/dev/null |
		sed -n 's/^.i  *\([^:]*\).*/\1/p') || true
	for package in "$@"; do
		grep -qxF -- "$package" <<<"$installed" || printf '%s\n' "$package"
	done | sort -u
}

# as_root COMMAND...: as root, through sudo where needed; fails without a word where it cannot.
as_root() {
	if ((EUID == 0)); then
		"$@"
	else
		sudo "$@"
	fi
}

can_be_root() {
	((EUID == 0)) || { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || sudo_asks; }; }
}

# sudo may ask for its password only where somebody can answer.
sudo_asks() {
	[ -t 0 ] && [ -t 2 ] && sudo -v
}

# install_sets SET...: makes sure that the sets' packages are installed.
install_sets() {
	local set wanted=() missing
	for set; do
		local -n packages=packages_$set 2>/dev/null || die "no set of packages \"$set\""
		[ -n "${packages[*]:-}" ] ||
			die "no set of packages \"$set\": build, test, vm or bench"
		wanted+=("${packages[@]}")
		unset -n packages
	done
	command -v dpkg-query >/dev/null ||
		die "this is not a Debian machine; install what corresponds to: ${wanted[*]}"
	mapfile -t missing < <(missing_of "${wanted[@]}")
	((${#missing[@]})) || return 0
	if ! can_be_root; then
		die "these packages are missing, and installing them needs root; run:
    su -c 'apt-get update && apt-get install --no-install-recommends ${missing[*]}'"
	fi
	say "installing packages: ${missing[*]}"
	logged apt as_root "$root/.ci/apt-install" "${missing[@]}" ||
		die "installing failed: ${missing[*]}"
	mapfile -t missing < <(missing_of "${missing[@]}")
	((${#missing[@]} == 0)) || die "still missing after the installation: ${missing[*]}"
}
