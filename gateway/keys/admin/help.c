/* SPDX-License-Identifier: Apache-2.0
 * What the operator's commands say to --help. */
#include <string.h>

#include "keys/admin/options.h"

#define STORE_AND_KEY                                                                              \
	"  --store STORE          a SQLite file, or postgresql:FILE: FILE has one line, libpq's\n" \
	"                         connection string; postgresql: alone, libpq's environment\n"     \
	"  --key-file FILE        the store's key: 32 bytes, mode 0600\n"                          \
	"  --key-fd N             the key comes from this open descriptor\n"                       \
	"  --key-credential NAME  the key is systemd's credential NAME (LoadCredential=)\n"
#define OTHER "  --other-key-file FILE  the second key, while a rotation is not finished\n"

#define ANCHOR                                                                                     \
	"  --anchor FILE          of this server, on another disk than the store: it knows how\n"  \
	"                         often the server wrote, so that an older copy is refused\n"

static const struct {
	const char *command, *text;
} helps[] = {
    {"init",
     "kiln keys init: makes an empty store, and its key if the file is not there yet.\n\n"
     "Usage: kiln keys init --store STORE --key-file FILE [--user NAME] [--anchor FILE]\n\n"
     "Everything in the store is sealed under the key. Who has both can read it; who loses the\n"
     "key has lost the store, and all backups. Keep a copy of the key, and not with the "
     "backups.\n\n"
     "Example\n"
     "  kiln keys init --store /var/lib/kiln/keys.db --key-file /etc/kiln/keys.key \\\n"
     "    --user kiln-keys\n\n"
     "Flags\n" STORE_AND_KEY ANCHOR
     "  --user NAME            the store becomes this user's, as whom `kiln keys serve --user` "
     "runs;\n"
     "                         the key stays with who calls this: root\n"},
    {"check",
     "kiln keys check: looks at everything in a store, and says what is damaged and where.\n\n"
     "Usage: kiln keys check --store STORE --key-file FILE [--anchor FILE] [--json]\n\n"
     "The database's own structure, the seal of every row, every audit log line by line, and\n"
     "that counts agree. It changes nothing, and may run while the store is served. `kiln keys\n"
     "serve` does the same when it starts. What is damaged comes back from a backup.\n\n"
     "Flags\n" STORE_AND_KEY OTHER ANCHOR
     "  --json                 one JSON object instead of text\n\n"
     "Exit status: 0 all is well, 1 it could not be looked at, 2 wrong usage, 3 damaged.\n"},
    {"backup",
     "kiln keys backup: copies a store, as of one moment, into one file.\n\n"
     "Usage: kiln keys backup --store STORE --key-file FILE --to FILE\n\n"
     "It may run while the store is served. The copy is checked before it gets its name; it is\n"
     "sealed as the store is and opens with the same key, which is not in it. It has the same\n"
     "form for SQLite and PostgreSQL, so it also moves a store from one to the other.\n\n"
     "Example\n"
     "  kiln keys backup --store postgresql:/etc/kiln/keys.conn --key-file /etc/kiln/keys.key \\\n"
     "    --to /backup/keys.$(date +%F)\n\n"
     "Flags\n" STORE_AND_KEY OTHER
     "  --to FILE              the backup; a file that is there is not overwritten\n"},
    {"restore",
     "kiln keys restore: makes a store from a backup.\n\n"
     "Usage: kiln keys restore --store STORE --key-file FILE --from FILE [--anchor FILE]\n\n"
     "STORE must not be there: move a damaged one away first, and its -wal and -shm with it: what\n"
     "was written last is there. The backup is checked before. What\n"
     "was written after the backup is not in it: passwords are the old ones, what was deleted\n"
     "since is there again. A server that has an anchor refuses the restored store until there\n"
     "is a new one: --anchor makes it.\n\n"
     "Flags\n" STORE_AND_KEY OTHER ANCHOR "  --from FILE            the backup\n"},
    {"rotate-key",
     "kiln keys rotate-key: seals everything in a store anew, under a new key.\n\n"
     "Usage: kiln keys rotate-key --store STORE --key-file OLD --new-key-file NEW\n\n"
     "NEW is made if it is not there. Stop all servers of the store first. It works in small\n"
     "steps: interrupted at any moment, the same command goes on, and until then a server starts\n"
     "with both keys (--key-file NEW --other-key-file OLD). Old backups still need the old key;\n"
     "when it is destroyed, they and what was deleted from the store are beyond reading.\n\n"
     "Flags\n" STORE_AND_KEY "  --new-key-file FILE    the new key\n"},
    {"trim-audit",
     "kiln keys trim-audit: removes the old lines of all audit logs.\n\n"
     "Usage: kiln keys trim-audit --store STORE --key-file FILE --audit-days N\n\n"
     "Lines go by their age alone, from each log's old end; those that stay keep their numbers,\n"
     "so that users see that there were others. Stop all servers of the store first. A server\n"
     "with --audit-days N removes them itself, as their log grows: this is for the logs of users\n"
     "who no longer come. Backups that were made before still have them.\n\n"
     "Flags\n" STORE_AND_KEY OTHER "  --audit-days N         how old lines may get\n"},
    {"anchor",
     "kiln keys anchor: makes a new anchor for a store.\n\n"
     "Usage: kiln keys anchor --store STORE --key-file FILE --anchor FILE\n\n"
     "The anchor is a small file that a server writes after each of its batches; at its start a\n"
     "store that knows of fewer is refused, as an older copy. It helps against who can put back\n"
     "the store's disk but not the anchor's. Each server of a store in PostgreSQL has its own.\n"
     "Make one only when you know that the store is the latest.\n\n"
     "Flags\n" STORE_AND_KEY OTHER ANCHOR},
};

const char *kiln_admin_help(const char *command)
{
	for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++)
		if (strcmp(helps[i].command, command) == 0)
			return helps[i].text;
	return "";
}
