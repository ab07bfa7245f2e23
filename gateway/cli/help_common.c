/* SPDX-License-Identifier: Apache-2.0
 * The flags that `kiln server` and `kiln client` share, and how the whole help is printed. */
#include "cli/help.h"
#include "cli/options.h"

const char kiln_help_roast[] =
    "Roast: AWS roles in place of certificates (both ends run Kiln or the Go library roast)\n"
    "  --roast                 prove this machine's AWS role to the peer, and have the peer prove\n"
    "                          its own; none of the flags about certificates goes with it\n"
    "  --allow-role ARN        the role that the peer must have; several with commas, or the flag\n"
    "                          again: arn:aws:iam::123456789012:role/NAME, without a path\n"
    "  --require-binding       only peers that bind their identity to the connection (Kiln does,\n"
    "                          the Go library does not)\n"
    "  --region NAME           of the STS that our hello names  [AWS_REGION, AWS_DEFAULT_REGION,\n"
    "                          the profile's, the instance's]\n"
    "  --roast-rate N          hellos a second that one source may have verified, twice as many\n"
    "                          at once; 0: no limit                           [100]\n"
    "  --development-sts       let AWS_ENDPOINT_URL_STS name a server on loopback (`kiln sts`)\n"
    "  With --roast, --handshake-timeout is 15s by default: for hellos, STS and TLS together.\n"
    "\n";

const char kiln_help_common[] =
    "TLS\n"
    "  --alpn LIST             protocols in order of preference, such as h2,http/1.1\n"
    "  --cipher-suites LIST    TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:\n"
    "                          TLS_CHACHA20_POLY1305_SHA256, or fewer         [all three]\n"
    "  --ktls MODE             auto: encrypt in the kernel where it can (the log says where and\n"
    "                          why not); off: never; require: or not at all   [auto]\n"
    "  --rekey-after-records N change keys after N records, 1 to 16777216     [the cipher's "
    "limit]\n"
    "\n"
    "Limits (times are written 500ms, 10s, 5m, 1h)\n"
    "  --handshake-timeout T   for a whole TLS handshake; 0: no limit         [10s]\n"
    "  --connect-timeout T     to reach the target; 0: no limit               [10s]\n"
    "  --send-timeout T        for a side that takes no bytes; 0: no limit    [60s]\n"
    "  --idle-timeout T        for connections with no bytes; 0: no limit     [0]\n"
    "  --close-timeout T       silence of the second direction once the first has ended\n"
    "                                                                         [60s]\n"
    "  --shutdown-timeout T    for open connections after SIGTERM; 0: at once [5m]\n"
    "  --max-connections N     at the same time, in all; 0: as many as the limit of open files\n"
    "                          allows (two for each)                          [0]\n"
    "                          (also --max-concurrent-conns)\n"
    "  --buffer-memory SIZE    for relay buffers, all workers together        [256MiB]\n"
    "\n"
    "Processes\n"
    "  --workers N             worker processes; 0: one per CPU               [0]\n"
    "  --pin-workers on|off    keep each worker on its CPU                    [on]\n"
    "  --engine E              auto, io_uring or epoll                        [auto]\n"
    "  --user NAME             workers become this user once the sockets are open; for when\n"
    "                          kiln is started as root\n"
    "\n"
    "Logs (on stderr, one line per event)\n"
    "  --log-format F          text (key=value) or json                       [text]\n"
    "  --log-level L           debug, info, warning or error                  [info]\n"
    "\n"
    "Signals: SIGTERM stops gracefully (a second one at once), SIGHUP reads the certificates and\n"
    "looks the target up again, SIGUSR1 logs the counters.\n"
    "`kiln doctor` tells what this machine can do; `kiln demo` shows it at work.\n";

void kiln_options_help(enum kiln_gateway_mode mode, FILE *to)
{
	(void)fputs(mode == KILN_GATEWAY_SERVER ? kiln_help_server : kiln_help_client, to);
	if (mode == KILN_GATEWAY_SERVER)
		(void)fputs(kiln_help_server_flags, to);
	(void)fputs(kiln_help_roast, to);
	(void)fputs(kiln_help_common, to);
}
