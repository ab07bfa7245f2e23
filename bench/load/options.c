/* The command line of kiln-load. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "kiln-load MODE [options]: loads a TLS proxy and counts what that costs\n"
    "\n"
    "Modes\n"
    "  backend    plain TCP responder that stands behind the proxy; prints its port, serves until\n"
    "             SIGTERM\n"
    "  bulk-up    one big request, a short answer      bulk-down  a short request, one big answer\n"
    "  request    request and answer, again and again  handshake  connect, handshake, one byte, "
    "close\n"
    "  idle       open all connections, use each once, hold them until a line comes on stdin,\n"
    "             use each once more, close\n"
    "  flood      connect, send a file, wait until the proxy closes, and begin again: it must not\n"
    "             answer\n"
    "\n"
    "Options\n"
    "  --connect A:P | --listen A:P   the proxy's address; the backend's own (port 0: any)\n"
    "  --cert FILE          the certificate that the proxy must show; --server-name NAME "
    "(localhost)\n"
    "  --plain              without TLS, straight to a backend\n"
    "  --conns N            connections at once\n"
    "  --count N | --seconds S        how much to measure\n"
    "  --warmup N           commands before that, every byte compared (per connection; handshake:\n"
    "                       in all)\n"
    "  --request BYTES  --answer BYTES\n"
    "  --no-exchange        handshake mode: close right after the handshake\n"
    "  --send FILE          flood mode: what to send\n"
    "  --vary OFFSET        flood mode: the 64 hexadecimal digits there are new ones each time\n"
    "  --from ADDRESS  --sources N    flood mode: comes from these, in turn\n"
    "  --rate N             handshake, flood: N begin in a second, whatever has become of the "
    "others,\n"
    "                       as long as --conns allows; latency counts from when one was due\n"
    "  --ciphers LIST  --groups LIST  as OpenSSL takes them\n"
    "  --cpu NAME=PID[,PID...]        also report the processor time of these (up to 4 names)\n"
    "  --timeout S          give up after so long without progress (30)\n"
    "\n"
    "Prints one JSON object. Exits 0 only when every byte that had to come back did.\n";

static const char *const mode_names[] = {
    [MODE_BULK_UP] = "bulk-up",     [MODE_BULK_DOWN] = "bulk-down", [MODE_REQUEST] = "request",
    [MODE_HANDSHAKE] = "handshake", [MODE_IDLE] = "idle",           [MODE_BACKEND] = "backend",
    [MODE_FLOOD] = "flood",
};

enum {
	OPT_CONNECT = 256,
	OPT_CERT,
	OPT_SERVER_NAME,
	OPT_PLAIN,
	OPT_CONNS,
	OPT_COUNT,
	OPT_SECONDS,
	OPT_WARMUP,
	OPT_REQUEST,
	OPT_ANSWER,
	OPT_NO_EXCHANGE,
	OPT_SEND,
	OPT_VARY,
	OPT_FROM,
	OPT_SOURCES,
	OPT_RATE,
	OPT_CIPHERS,
	OPT_GROUPS,
	OPT_CPU,
	OPT_TIMEOUT,
	OPT_HELP,
};

static const struct option long_options[] = {
    {"connect", required_argument, NULL, OPT_CONNECT},
    {"listen", required_argument, NULL, OPT_CONNECT},
    {"cert", required_argument, NULL, OPT_CERT},
    {"server-name", required_argument, NULL, OPT_SERVER_NAME},
    {"plain", no_argument, NULL, OPT_PLAIN},
    {"conns", required_argument, NULL, OPT_CONNS},
    {"count", required_argument, NULL, OPT_COUNT},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"request", required_argument, NULL, OPT_REQUEST},
    {"answer", required_argument, NULL, OPT_ANSWER},
    {"no-exchange", no_argument, NULL, OPT_NO_EXCHANGE},
    {"send", required_argument, NULL, OPT_SEND},
    {"vary", required_argument, NULL, OPT_VARY},
    {"from", required_argument, NULL, OPT_FROM},
    {"sources", required_argument, NULL, OPT_SOURCES},
    {"rate", required_argument, NULL, OPT_RATE},
    {"ciphers", required_argument, NULL, OPT_CIPHERS},
    {"groups", required_argument, NULL, OPT_GROUPS},
    {"cpu", required_argument, NULL, OPT_CPU},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

const char *options_mode_name(enum load_mode mode)
{
	return mode_names[mode];
}

static _Noreturn void wrong(const char *what, const char *value)
{
	(void)fprintf(stderr, "kiln-load: %s: %s (kiln-load --help shows the options)\n", what,
		      value);
	exit(2);
}

static uint64_t parse_number(const char *name, const char *text, uint64_t lowest)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (end == text || *end || *text == '-' || value < lowest)
		wrong(name, text);
	return value;
}

static double parse_seconds(const char *name, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0))
		wrong(name, text);
	return value;
}

static void take(struct load_options *opt, int c, const char *arg)
{
	switch (c) {
	case OPT_CONNECT:
		if (!net_parse(arg, &opt->addr))
			wrong("not an IPv4 address and port", arg);
		break;
	case OPT_CERT: opt->cert = arg; break;
	case OPT_SERVER_NAME: opt->server_name = arg; break;
	case OPT_PLAIN: opt->plain = true; break;
	case OPT_CONNS: opt->conns = parse_number("--conns", arg, 1); break;
	case OPT_COUNT: opt->count = parse_number("--count", arg, 1); break;
	case OPT_SECONDS: opt->seconds = parse_seconds("--seconds", arg); break;
	case OPT_WARMUP: opt->warmup = parse_number("--warmup", arg, 1); break;
	case OPT_REQUEST: opt->request = parse_number("--request", arg, 32); break;
	case OPT_ANSWER: opt->answer = parse_number("--answer", arg, 1); break;
	case OPT_NO_EXCHANGE: opt->no_exchange = true; break;
	case OPT_SEND: opt->send = arg; break;
	case OPT_VARY: opt->vary = parse_number("--vary", arg, 1); break;
	case OPT_FROM:
		opt->from = net_parse_host(arg);
		if (!opt->from)
			wrong("not an IPv4 address", arg);
		break;
	case OPT_SOURCES: opt->sources = parse_number("--sources", arg, 1); break;
	case OPT_RATE: opt->rate = parse_seconds("--rate", arg); break;
	case OPT_CIPHERS: opt->ciphers = arg; break;
	case OPT_GROUPS: opt->groups = arg; break;
	case OPT_CPU:
		if (opt->group_count == CPU_MAX_GROUPS ||
		    !cpu_parse_group(arg, &opt->groups_cpu[opt->group_count++]))
			wrong("not NAME=PID[,PID...]", arg);
		break;
	case OPT_TIMEOUT: opt->timeout = parse_seconds("--timeout", arg); break;
	case OPT_HELP: (void)fputs(usage, stdout); exit(0);
	default: exit(2);
	}
}

static enum load_mode parse_mode(const char *text)
{
	for (size_t i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++) {
		if (strcmp(text, mode_names[i]) == 0)
			return (enum load_mode)i;
	}
	wrong("no such mode", text);
}

static void set_mode_defaults(struct load_options *opt)
{
	const uint64_t bulk = 16u << 20;
	bool handshake = opt->mode == MODE_HANDSHAKE || opt->mode == MODE_FLOOD;

	opt->server_name = "localhost";
	opt->sources = 1;
	opt->ciphers = "TLS_AES_128_GCM_SHA256";
	opt->timeout = 30;
	opt->conns = handshake ? 8 : 1;
	opt->warmup = handshake ? 16 : 4;
	opt->request = opt->mode == MODE_BULK_UP ? bulk : opt->mode == MODE_REQUEST ? 1024 : 32;
	opt->answer = opt->mode == MODE_BULK_DOWN ? bulk
		      : opt->mode == MODE_REQUEST ? 1024
		      : handshake                 ? 1
						  : 32;
}

void options_parse(int argc, char **argv, struct load_options *opt)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		(void)fputs(usage, stdout);
		exit(argc < 2 ? 2 : 0);
	}
	memset(opt, 0, sizeof(*opt));
	opt->mode = parse_mode(argv[1]);
	set_mode_defaults(opt);
	for (int c; (c = getopt_long(argc - 1, argv + 1, "", long_options, NULL)) != -1;)
		take(opt, c, optarg);
	if (!opt->addr.sin.sin_family)
		wrong("missing", opt->mode == MODE_BACKEND ? "--listen" : "--connect");
	if (opt->mode == MODE_FLOOD) {
		opt->plain = true;
		if (!opt->send)
			wrong("missing", "--send");
	}
	if (opt->mode != MODE_BACKEND && !opt->plain && !opt->cert)
		wrong("missing", "--cert or --plain");
	if (opt->rate > 0 && opt->mode != MODE_HANDSHAKE && opt->mode != MODE_FLOOD)
		wrong("--rate", "not in this mode");
	if (opt->mode == MODE_BACKEND || opt->mode == MODE_IDLE)
		return;
	if (!opt->count && !(opt->seconds > 0))
		wrong("missing", "--count or --seconds");
}
