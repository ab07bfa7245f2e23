/* What the command line asked for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "net.h"

enum load_mode {
	MODE_BULK_UP,
	MODE_BULK_DOWN,
	MODE_REQUEST,
	MODE_HANDSHAKE,
	MODE_IDLE,
	MODE_BACKEND,
	MODE_FLOOD,
};

struct load_options {
	enum load_mode mode;
	struct net_addr addr; /* to connect to; the backend's to listen on */
	const char *cert;     /* PEM file: the certificate that the proxy must show */
	const char *server_name;
	const char *ciphers;
	const char *groups;
	bool plain;       /* no TLS: straight to the backend, the floor */
	bool no_exchange; /* handshake mode: nothing but the handshake */
	const char *send; /* flood mode: the file with what is sent */
	uint64_t vary;    /* and where it has 64 digits that change; 0: nowhere */
	uint32_t from;    /* flood mode: the first address that they come from; 0: any */
	uint64_t sources; /* and how many there are, in turn */
	double rate;      /* handshake, flood: how many begin in a second; 0: when one has ended */
	size_t conns;
	uint64_t count; /* commands to measure; 0: as many as `seconds` allow */
	double seconds;
	uint64_t warmup;  /* verified commands, per connection (handshake, flood: in all) */
	uint64_t request; /* bytes */
	uint64_t answer;  /* bytes */
	double timeout;   /* seconds without any progress before giving up */
	struct cpu_group groups_cpu[CPU_MAX_GROUPS];
	size_t group_count;
};

const char *options_mode_name(enum load_mode mode);
/* Exits with 2 and a message when the command line is wrong, with 0 after --help. */
void options_parse(int argc, char **argv, struct load_options *opt);
