/* SPDX-License-Identifier: Apache-2.0
 * What the agent's files share; for gateway/agent only. */
#ifndef KILN_AGENT_PARTS_H
#define KILN_AGENT_PARTS_H

#include "agent/agent.h"
#include "agent/identity.h"
#include "agent/limits.h"
#include "agent/message.h"
#include "agent/queue.h"
#include "log/log.h"
#include "roast/replay.h"
#include "worker/heap.h"

#define KILN_AGENT_CHANNELS_MAX (KILN_EXCHANGE_FDS - 8u)
/* Requests to the STS of one region: how many at once, of them three of four for sources that are
 * not known; more wait in a queue. The peer names the region, so one that does not answer must not
 * use up what another's peers need: not its places, and not the descriptors that all share, of
 * which some are kept for everything else. */
#define KILN_AGENT_AT_ONCE     64u
#define KILN_AGENT_REGIONS     64u
#define KILN_AGENT_OTHER_FDS   256u
#define KILN_AGENT_ANSWERS_MAX 4096u /* waiting for a worker that does not read */
#define KILN_AGENT_THROTTLED   256u

struct kiln_agent_answer {
	struct kiln_agent_answer *next;
	struct kiln_agent_message message;
};

/* One worker. */
struct kiln_agent_channel {
	int fd;
	uint64_t serial; /* never used twice: an answer may come when the worker is gone */
	struct kiln_agent_answer *waiting, **waiting_tail;
	unsigned waiting_count;
};

/* The STS of one region. */
struct kiln_agent_region {
	char name[33];               /* "": this place is free */
	unsigned at_once, newcomers; /* under way, and how many of these are of sources not known */
	struct kiln_queue queue;
};

/* A signer whose account STS throttles. */
struct kiln_agent_throttled {
	char key_id[129];
	uint64_t until_ms, delay_ms;
};

struct kiln_agent {
	const struct kiln_agent_job *job;
	struct kiln_exchanges *http;
	struct kiln_limits limits;
	struct kiln_roast_replay *replay;
	struct kiln_identity *identity;
	struct kiln_agent_channel channels[KILN_AGENT_CHANNELS_MAX];
	unsigned channel_count;
	uint64_t next_serial;
	unsigned at_once; /* to one region: KILN_AGENT_AT_ONCE, or fewer by RLIMIT_NOFILE */
	struct kiln_agent_region regions[KILN_AGENT_REGIONS];
	struct kiln_agent_throttled throttled[KILN_AGENT_THROTTLED];
	struct kiln_log_limit failures;
	unsigned questions; /* of peers' proofs, under way or waiting */
	struct kiln_heap heap;
	uint64_t now_ms; /* monotonic */
	bool stopping;
};

uint64_t kiln_agent_monotonic_ms(void);

/* channels.c */
void kiln_agent_add_channel(struct kiln_agent *agent, int fd);
void kiln_agent_drop_channel(struct kiln_agent *agent, unsigned i);
/* Sends, or keeps for later; message is not kept. Nothing happens when that worker is gone. */
void kiln_agent_say(struct kiln_agent *agent, uint64_t serial,
		    const struct kiln_agent_message *message);
void kiln_agent_say_all(struct kiln_agent *agent, const struct kiln_agent_message *message);
void kiln_agent_refuse(struct kiln_agent *agent, uint64_t serial, uint64_t id,
		       const struct kiln_error *err);
/* Sends what waits; false when the worker is gone. */
bool kiln_agent_flush(struct kiln_agent_channel *channel);

/* prove.c, verify.c: one question each; the message is not kept. */
void kiln_agent_prove(struct kiln_agent *agent, uint64_t serial,
		      const struct kiln_agent_message *question);
void kiln_agent_verify(struct kiln_agent *agent, uint64_t serial,
		       const struct kiln_agent_message *question);

#endif
