/* SPDX-License-Identifier: Apache-2.0
 * What both parts of the demo are played on: a folder, a backend, and the processes of a part. */
#ifndef KILN_DEMO_STAGE_H
#define KILN_DEMO_STAGE_H

#include "demo/files.h"
#include "demo/process.h"
#include "demo/report.h"

#define KILN_DEMO_PROCESSES 6u
#define KILN_DEMO_READY_MS  30000

struct kiln_demo_stage {
	uint64_t bytes; /* go each way */
	struct kiln_temp_dir dir;
	pid_t backend;
	uint16_t backend_port;
	struct kiln_demo_process processes[KILN_DEMO_PROCESSES]; /* of the part that runs */
	unsigned process_count;
};

/* A gateway or another `kiln`, its process in *process (the stage's), its "ready" line in *ready
 * (the caller's). With identity it has found its AWS identity too. */
struct kiln_demo_start {
	const char *const *arguments, *const *environment;
	bool identity;
};
enum kiln_code kiln_demo_start(struct kiln_demo_stage *stage, const struct kiln_demo_start *start,
			       struct kiln_demo_process **process, json_t **ready,
			       struct kiln_error *err) KILN_NODISCARD;

/* Moves the bytes from a client's listener to the backend and back; the outcome into part. */
enum kiln_code kiln_demo_move(struct kiln_demo_stage *stage, struct kiln_demo_process *server,
			      struct kiln_demo_process *client, struct kiln_demo_part *part,
			      struct kiln_error *err) KILN_NODISCARD;

/* Somebody who should not get through tries it, by a client of his own. */
enum kiln_code kiln_demo_attempt(struct kiln_demo_process *server, struct kiln_demo_process *client,
				 const json_t *client_ready, struct kiln_demo_refusal *refusal,
				 struct kiln_error *err) KILN_NODISCARD;

/* Where a gateway listens, as "127.0.0.1:1234"; NULL when its line does not say. */
const char *kiln_demo_listen(const json_t *ready);

/* The path of a file in the folder. */
enum kiln_code kiln_demo_file(const struct kiln_demo_stage *stage, const char *name,
			      char out[PATH_MAX], struct kiln_error *err) KILN_NODISCARD;

/* Ends the processes of a part. */
void kiln_demo_clear(struct kiln_demo_stage *stage);

/* The parts. What they leave in *part is the caller's also after a failure. */
enum kiln_code kiln_demo_certificates(struct kiln_demo_stage *stage, struct kiln_demo_part *part,
				      struct kiln_error *err) KILN_NODISCARD;
enum kiln_code kiln_demo_roast(struct kiln_demo_stage *stage, struct kiln_demo_part *part,
			       struct kiln_error *err) KILN_NODISCARD;

/* The third moves no bytes: what it has to show is its own. */
enum kiln_code kiln_demo_keys(struct kiln_demo_stage *stage, json_t **shown, bool *ok,
			      struct kiln_error *err) KILN_NODISCARD;

#endif
