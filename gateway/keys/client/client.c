/* SPDX-License-Identifier: Apache-2.0
 * The client's commands; see client.h. Each asks for the password, has one session, and says what
 * came of it. */
#include "keys/client/client.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "keys/client/local.h"
#include "keys/client/run.h"

static enum kiln_code have_session(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	enum kiln_code rc = KILN_OK;
	if (o->local != NULL)
		rc = kiln_keycli_local_check(o, &r->password, &r->err);
	if (rc == KILN_OK)
		rc = kiln_keycli_open(&r->talk, o, &r->password, &r->err);
	if (rc == KILN_OK) {
		rc = kiln_keycli_in_time(&r->talk, kiln_keycli_ask(r), &r->err);
		r->asked = rc == KILN_OK;
	}
	if (r->talk.keys != NULL)
		r->retry_after_ms = kiln_keys_retry_after_ms(r->talk.keys);
	if (rc == KILN_OK && o->local != NULL)
		rc = kiln_keycli_local_add(o, &r->password, &r->secret, &r->err);
	return rc;
}

/* What an earlier command has put there. */
static enum kiln_code get_local(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	const enum kiln_keys_kind expected = kiln_keycli_expected(r);
	const enum kiln_code rc =
	    kiln_keycli_local_get(o, &r->password, o->key_ids[0], &r->secret, &r->err);
	if (rc != KILN_OK || expected == KILN_KEYS_ANY_KIND || r->secret.kind == expected)
		return rc;
	return kiln_fail(&r->err, KILN_E_KEYS_STORED,
			 "that key is no backup of this account's, but of another kind (--kind)");
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
	enum kiln_code rc = o->out != NULL ? kiln_keycli_writable(o->out, false, &r->err) : KILN_OK;
	if (rc == KILN_OK)
		rc = kiln_keycli_input(r);
	if (rc == KILN_OK)
		rc = kiln_keycli_passwords(r);
	if (rc == KILN_OK && o->server != NULL)
		rc = have_session(r);
	else if (rc == KILN_OK)
		rc = get_local(r);
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
		kiln_wipe(r->input, r->input_size);
	free(r->input);
	kiln_wipe(r, sizeof *r);
}

/* A program that asks for JSON gets it also for a command line that ends before the flag. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

/* The key that a command has made is named even where the command failed behind it. */
static int report(struct kiln_keycli_run *r)
{
	const enum kiln_keycli_command command = r->options.command;
	const bool made =
	    r->asked && (command == KILN_KEYCLI_GENERATE || command == KILN_KEYCLI_STORE ||
			 command == KILN_KEYCLI_IMPORT);
	if (r->asked && r->err.code == KILN_E_CONFIG)
		r->err.code = KILN_E_SYSTEM; /* not "the command line is wrong, nothing was done" */
	return kiln_keycli_print_error(&r->options, &r->err, r->retry_after_ms,
				       made ? r->secret.key_id : NULL);
}

int kiln_keycli_main(int argc, char **argv)
{
	static struct kiln_keycli_run run;
	enum kiln_keycli_command command;
	int status = 0;
	if (!kiln_keycli_find(argv[0], &command))
		return 2;
	if (kiln_keycli_options_read(&run.options, command, argc, argv, &run.err) != KILN_OK) {
		run.options.json = wants_json(argc, argv);
		return report(&run);
	}
	if (run.options.help) {
		kiln_keycli_help(command);
		return 0;
	}
	harden();
	if (work(&run) != KILN_OK)
		status = report(&run);
	clear(&run);
	return status;
}
