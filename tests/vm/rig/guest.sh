# Runs one command on the host's root inside the guest and reports over virtio-serial ports:
#   out, err   the command's output, each ending with the token named in the job
#   ctl        "up VERSION" once the guest is ready, "exit STATUS" at the end
#   in         the command's input, when the job asks for it
# shellcheck shell=dash disable=SC2154  # busybox's shell; the job sets the job_* variables

export PATH=/run/kiln/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run/home TMPDIR=/run/tmp
rig=/run/kiln
. $rig/job

mount_all() {
	mkdir -p /dev/pts /dev/shm /run/tmp /run/home /run/lock
	chmod 1777 /run/tmp
	mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
	mount -t tmpfs -o mode=1777 tmpfs /dev/shm
	mount -t bpf bpf /sys/fs/bpf
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount -t tracefs tracefs /sys/kernel/tracing
	for link in fd: stdin:/0 stdout:/1 stderr:/2; do
		ln -sf "/proc/self/fd${link#*:}" "/dev/${link%%:*}"
	done
}

# The kernel itself asks for modules (ciphers, protocols): it must look in the unpacked folder,
# and the machine's own /etc/modprobe.d is about another kernel.
set_modules() {
	printf '#!%s sh\nexec /sbin/modprobe -C /dev/null -d "%s" "$@"\n' $rig/bin/busybox "$job_kernel" \
		>$rig/bin/modprobe
	chmod 755 $rig/bin/modprobe
	echo $rig/bin/modprobe >/proc/sys/kernel/modprobe
}

set_limits() {
	echo 65535 >/proc/sys/net/core/somaxconn
	echo 65535 >/proc/sys/net/ipv4/tcp_max_syn_backlog
	echo 16384 65535 >/proc/sys/net/ipv4/ip_local_port_range
	ulimit -Hn 1048576
	ulimit -Sn 131072
	ulimit -l unlimited
	ulimit -c 0
	hostname kiln-vm
	ip link set lo up
}

# port NAME: waits for the virtio-serial port of that name, and prints its device.
port() {
	while :; do
		for sys in /sys/class/virtio-ports/*; do
			if [ "$(cat "$sys/name" 2>/dev/null)" = "$1" ] && [ -c "/dev/${sys##*/}" ]; then
				echo "/dev/${sys##*/}"
				return
			fi
		done
		usleep 20000
	done
}

run_command() (
	cd "$job_folder" || exit 125
	exec /usr/bin/setsid "$@" <"$input" >$rig/out 2>$rig/err
)

# On a terminal: the console becomes the command's controlling terminal.
run_on_tty() (
	cd "$job_folder" || exit 125
	stty rows "$job_rows" cols "$job_cols" </dev/hvc0
	exec /usr/bin/setsid -c -w "$@" </dev/hvc0 >/dev/hvc0 2>&1
)

# What the command left running must neither hold its output open nor write files any more.
end_leftovers() {
	for round in 1 2; do
		for proc in /proc/[0-9]*; do
			pid=${proc#/proc/}
			case " 1 $keep " in *" $pid "*) continue ;; esac
			[ -e "$proc/exe" ] && kill -KILL "$pid"
		done 2>/dev/null
	done
}

mount_all
set_modules
set_limits
exec 3<>"$(port ctl)"
out=$(port out) err=$(port err) input=/dev/null
mkfifo $rig/out $rig/err
cat $rig/out >"$out" &
keep=$!
cat $rig/err >"$err" &
keep="$keep $!"
if [ "$job_stdin" = 1 ]; then
	input=$(port in)
fi
exec 4>$rig/out 5>$rig/err
echo "up $(uname -r)" >&3
if [ "$job_tty" = 1 ]; then
	run_on_tty "$@" 3>&- 4>&- 5>&-
else
	run_command "$@" 3>&- 4>&- 5>&-
fi
status=$?
end_leftovers
exec 4>&- 5>&-
# shellcheck disable=SC2086  # a list of process numbers
wait $keep
sync
printf %s "$job_token" >"$out"
printf %s "$job_token" >"$err"
echo "exit $status" >&3
while :; do sleep 60; done
