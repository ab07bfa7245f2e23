#!/bin/busybox sh
# First program of the guest: mounts the host's root over 9p and goes on there with guest.sh.
# Runs from the initramfs, where busybox is the only program.
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
for module in /mods/*; do
	$B insmod "$module" || echo "rig: insmod failed: $module"
done
$B mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose rootfs /root ||
	echo "rig: mounting the host's root over 9p failed"
# What this run needs waits on a tmpfs, out of the host's sight.
$B mount -t tmpfs -o mode=755 tmpfs /root/run
$B mkdir /root/run/kiln
$B cp -a /bin /job /guest.sh /root/run/kiln/
for folder in dev proc sys; do
	$B mount --move /$folder /root/$folder
done
exec $B switch_root /root /run/kiln/bin/busybox sh /run/kiln/guest.sh
