/* SPDX-License-Identifier: Apache-2.0
 * The client's commands; see client.h. Each asks for the password, has one session, and says what
 * came of it. */
#include "keys/client/client.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "keys/client/local.h"
#include "keys/client/run.h"

/* A wait that was too long comes as KILN_E_AGAIN of the connection. */
static enum kiln_code time_over(struct kiln_keycli_run *r, enum kiln_code rc)
{
	if (rc != KILN_E_AGAIN)
		return rc;
	return kiln_fail(&r->err, KILN_E_TIMEOUT, "the server did not answer in time (--timeout)");
}

static enum kiln_code have_session(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	enum kiln_code rc = KILN_OK;
	if (o->local != NULL)
		rc = kiln_keycli_local_check(o, &r->password, &r->err);
	if (rc == KILN_OK)
		rc = kiln_keycli_open(&r->talk, o, &r->password, &r->err);
	if (rc == KILN_OK)
		rc = time_over(r, kiln_keycli_ask(r));
	if (r->talk.keys != NULL)
		r->retry_after_ms = kiln_keys_retry_after_ms(r->talk.keys);
	if (rc == KILN_OK && o->local != NULL)
		rc = kiln_keycli_local_add(o, &r->password, &r->secret, &r->err);
	return rc;
}

/* Found out before anything is done at the server, rather than behind it. */
static enum kiln_code check_out(struct kiln_keycli_run *r)
{
	struct stat file;
	if (r->options.out == NULL || lstat(r->options.out, &file) != 0)
		return KILN_OK;
	return kiln_fail(&r->err, KILN_E_CONFIG, "%.160s exists, and is not overwritten",
			 r->options.out);
}

static enum kiln_code write_out(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	if (o->out == NULL)
		return KILN_OK;
	if (o->command == KILN_KEYCLI_SIGN)
		return kiln_keycli_write(o->out, r->signature, sizeof r->signature, &r->err);
	if (o->command == KILN_KEYCLI_EXPORT)
		return kiln_keycli_write(o->out, r->exported, r->exported_len, &r->err);
	return kiln_keycli_write(o->out, r->secret.data, r->secret.len, &r->err);
}

static enum kiln_code work(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	struct kiln_keycli_answer out;
	enum kiln_code rc = check_out(r);
	if (rc == KILN_OK)
		rc = kiln_keycli_input(r);
	if (rc == KILN_OK)
		rc = kiln_keycli_passwords(r);
	if (rc == KILN_OK && o->server != NULL)
		rc = have_session(r);
	else if (rc == KILN_OK) /* what an earlier command has put there */
		rc = kiln_keycli_local_get(o, &r->password, o->key_ids[0], &r->secret, &r->err);
	if (rc == KILN_OK)
		rc = write_out(r);
	if (rc != KILN_OK)
		return rc;
	kiln_keycli_print_begin(&out, o);
	kiln_keycli_tell(r, &out);
	if (kiln_keycli_print_end(&out))
		return KILN_OK;
	return kiln_fail(&r->err, KILN_E_SYSTEM, "the standard output does not take the answer");
}

/* Secrets are in this process for a moment: not in a core dump, nor for a tracer. */
static void harden(void)
{
	const struct rlimit no_core = {0, 0};
	(void)setrlimit(RLIMIT_CORE, &no_core);
#ifndef KILN_SANITIZED /* the leak sanitizer traces its own process */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	(void)signal(SIGPIPE, SIG_IGN);
}

static void clear(struct kiln_keycli_run *r)
{
	kiln_keycli_close(&r->talk);
	free(r->entries);
	if (r->input != NULL)
		kiln_wipe(r->input, r->input_len);
	free(r->input);
	kiln_wipe(r, sizeof *r);
}

int kiln_keycli_main(int argc, char **argv)
{
	static struct kiln_keycli_run run;
	enum kiln_keycli_command command;
	int status = 0;
	if (!kiln_keycli_find(argv[0], &command))
		return 2;
	if (kiln_keycli_options_read(&run.options, command, argc, argv, &run.err) != KILN_OK)
		return kiln_keycli_print_error(&run.options, &run.err, 0);
	if (run.options.help) {
		kiln_keycli_help(command);
		return 0;
	}
	harden();
	if (work(&run) != KILN_OK)
		status = kiln_keycli_print_error(&run.options, &run.err, run.retry_after_ms);
	clear(&run);
	return status;
}
