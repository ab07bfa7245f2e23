/* SPDX-License-Identifier: Apache-2.0
 * The operator's commands; see admin.h. */
#include "keys/admin/admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "keys/admin/options.h"
#include "keys/admin/report.h"
#include "sandbox/sandbox.h"

enum { DONE = 0, NOT_DONE = 1, WRONG_USAGE = 2, DAMAGED = 3 };

static void say_progress(void *ctx, const char *what, int percent)
{
	const char *command = *(const char *const *)ctx;
	if (percent >= 0)
		(void)fprintf(stderr, "kiln keys %s: %s, %d %% ...\n", command, what, percent);
	else
		(void)fprintf(stderr, "kiln keys %s: %s ...\n", command, what);
}

static int init(const struct kiln_admin_options *o, struct kiln_store_options *store,
		struct kiln_error *err)
{
	if (kiln_store_create(store, err) != KILN_OK)
		return NOT_DONE;
	(void)printf("An empty store: %s\n", o->store);
	if (o->key.file != NULL)
		(void)printf("Its key: %s. Keep a copy of it elsewhere: without it the store and "
			     "its backups are lost.\n",
			     o->key.file);
	return DONE;
}

static int check(const struct kiln_admin_options *o, struct kiln_store_options *store,
		 struct kiln_error *err)
{
	struct kiln_store_report report;
	const enum kiln_code code = kiln_store_check(store, &report, err);
	kiln_admin_report(&report, code != KILN_OK ? err : NULL, o->json);
	err->message[0] = '\0'; /* it is said */
	return report.found > 0 || code == KILN_E_STORE ? DAMAGED
	       : code != KILN_OK                        ? NOT_DONE
							: DONE;
}

static int backup(const struct kiln_admin_options *o, struct kiln_store_options *store,
		  struct kiln_error *err)
{
	if (kiln_store_backup(store, o->to, err) != KILN_OK)
		return NOT_DONE;
	(void)printf("%s, checked; it opens with the store's key\n", o->to);
	return DONE;
}

static int restore(const struct kiln_admin_options *o, struct kiln_store_options *store,
		   struct kiln_error *err)
{
	if (kiln_store_restore(store, o->from, err) != KILN_OK)
		return NOT_DONE;
	(void)printf("%s, as it was at the time of %s\n", o->store, o->from);
	return DONE;
}

/* The file's key, which is made where there is none. */
static struct kiln_store_key *read_or_make(const char *file, struct kiln_error *err)
{
	const struct kiln_store_key_source source = {.file = file, .fd = -1};
	return access(file, F_OK) == 0 ? kiln_store_key_read(&source, err)
				       : kiln_store_key_make(file, err);
}

static int rotate(const struct kiln_admin_options *o, struct kiln_store_options *store,
		  struct kiln_error *err)
{
	uint64_t sealed = 0;
	struct kiln_store_key *fresh = read_or_make(o->new_key_file, err);
	const enum kiln_code code =
	    fresh != NULL ? kiln_store_rotate(store, fresh, &sealed, err) : err->code;
	kiln_store_key_free(fresh);
	if (code != KILN_OK)
		return NOT_DONE;
	(void)printf("Everything is sealed under %s now (%llu rows by this call), nothing under "
		     "the old key. Make a backup: older ones need the old key.\n",
		     o->new_key_file, (unsigned long long)sealed);
	return DONE;
}

static int trim_audit(const struct kiln_admin_options *o, struct kiln_store_options *store,
		      struct kiln_error *err)
{
	struct kiln_store_trimmed trimmed;
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (kiln_store_trim(store, (uint64_t)now.tv_sec * 1000, &trimmed, err) != KILN_OK)
		return NOT_DONE;
	(void)printf("%llu lines older than %u days were removed, from %llu logs; %llu lines "
		     "stay\n",
		     (unsigned long long)trimmed.lines, o->audit_days,
		     (unsigned long long)trimmed.logs, (unsigned long long)trimmed.kept);
	return DONE;
}

static int anchor(const struct kiln_admin_options *o, struct kiln_store_options *store,
		  struct kiln_error *err)
{
	if (o->anchor == NULL) {
		(void)kiln_fail(err, KILN_E_CONFIG, "--anchor FILE is missing");
		return WRONG_USAGE;
	}
	if (kiln_store_anchor(store, err) != KILN_OK)
		return NOT_DONE;
	(void)printf("%s belongs to %s as it is now; start the server with it\n", o->anchor,
		     o->store);
	return DONE;
}

static const struct command {
	const char *name;
	unsigned takes;
	int (*run)(const struct kiln_admin_options *o, struct kiln_store_options *store,
		   struct kiln_error *err);
} commands[] = {
    {"init", KILN_ADMIN_ANCHOR | KILN_ADMIN_USER, init},
    {"check", KILN_ADMIN_ANCHOR | KILN_ADMIN_JSON | KILN_ADMIN_OTHER, check},
    {"backup", KILN_ADMIN_TO | KILN_ADMIN_OTHER, backup},
    {"restore", KILN_ADMIN_FROM | KILN_ADMIN_ANCHOR | KILN_ADMIN_OTHER, restore},
    {"rotate-key", KILN_ADMIN_NEW_KEY, rotate},
    {"trim-audit", KILN_ADMIN_DAYS | KILN_ADMIN_OTHER, trim_audit},
    {"anchor", KILN_ADMIN_ANCHOR | KILN_ADMIN_OTHER, anchor},
};

static int run(const struct command *command, const struct kiln_admin_options *o,
	       struct kiln_error *err)
{
	const char *name = command->name;
	int status = NOT_DONE;
	struct kiln_store_key *other = NULL;
	struct kiln_store_key *key = command->run == init && o->key.file != NULL
					 ? read_or_make(o->key.file, err)
					 : kiln_store_key_read(&o->key, err);
	if (key != NULL && o->other_key_file != NULL)
		other = kiln_store_key_read(
		    &(struct kiln_store_key_source){.file = o->other_key_file, .fd = -1}, err);
	/* The key is whoever reads it before; what is made now belongs to who will serve it. */
	const bool ready = key != NULL && (o->other_key_file == NULL || other != NULL) &&
			   (o->user == NULL || kiln_sandbox_drop_user(o->user, err) == KILN_OK);
	if (ready) {
		struct kiln_store_options store = {.where = o->store,
						   .key = key,
						   .other_key = other,
						   .anchor = o->anchor,
						   .audit_days = o->audit_days,
						   .progress = say_progress,
						   .progress_ctx = &name};
		status = command->run(o, &store, err);
	} else if (command->run == check && o->json) {
		static const struct kiln_store_report nothing;
		kiln_admin_report(&nothing, err, true);
		err->message[0] = '\0';
	}
	kiln_store_key_free(key);
	kiln_store_key_free(other);
	return status;
}

int kiln_keys_admin_main(int argc, char **argv)
{
	struct kiln_admin_options o;
	struct kiln_error err = {0};
	const struct command *command = commands;
	while (strcmp(command->name, argv[0]) != 0)
		command++; /* kiln keys knows no others */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	int status = WRONG_USAGE;
	if (kiln_admin_options_read(&o, command->takes, argc, argv, &err) == KILN_OK) {
		if (o.help) {
			(void)fputs(kiln_admin_help(command->name), stdout);
			return DONE;
		}
		status = run(command, &o, &err);
	}
	if (fflush(stdout) != 0 && status == DONE) {
		(void)kiln_fail_errno(&err, KILN_E_SYSTEM, errno,
				      "done, but the standard output does not take the answer");
		status = NOT_DONE;
	}
	if (status != DONE && err.message[0] != '\0')
		(void)fprintf(stderr, "kiln keys %s: %s\n", argv[0], err.message);
	return status;
}
