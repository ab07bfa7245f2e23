/* SPDX-License-Identifier: Apache-2.0
 * What `kiln keys COMMAND --help` prints, for the client's commands. */
#include <stdio.h>

#include "keys/client/options.h"

static const char *const texts[KILN_KEYCLI_COMMANDS] = {
    [KILN_KEYCLI_REGISTER] =
	"usage: kiln keys register --server HOST:PORT --account NAME [FLAGS]\n\n"
	"Opens an account at a key server. The password never leaves this device, and nobody can\n"
	"recover it: not the server, not its operator.\n\n"
	"  kiln keys register --server keys.example:8443 --account me@example.org\n"
	"  kiln keys register --server keys.example:8443 --account me@example.org \\\n"
	"       --token-file invitation --password-file secret.txt --json\n\n"
	"Where registration needs a token:\n"
	"  --token-file FILE     ours alone (chmod 600); one newline at the end does not count\n"
	"  --token-fd N          an open descriptor\n"
	"  --ask-token           typed at the terminal without being shown\n",
    [KILN_KEYCLI_LOGIN_TEST] =
	"usage: kiln keys login-test --server HOST:PORT --account NAME [FLAGS]\n\n"
	"Is the password right, and is the server the one of the registration? Does nothing "
	"else.\n\n"
	"  kiln keys login-test --server keys.example:8443 --account me@example.org\n",
    [KILN_KEYCLI_GENERATE] =
	"usage: kiln keys generate --server HOST:PORT --account NAME [FLAGS]\n\n"
	"Makes a secret of 32 random bytes, and keeps it at the server. Made on this device and "
	"sealed\n"
	"before it leaves: the server holds what it cannot read.\n\n"
	"  kiln keys generate --server keys.example:8443 --account me@example.org --out new.key\n"
	"  kiln keys generate ... --local my.keys     (and a copy that is readable without the "
	"server)\n"
	"  kiln keys generate ... --signing           (a signing key that never leaves the "
	"server)\n\n"
	"  --out FILE            also into a new file, mode 0600\n"
	"  --local FILE          also into the local file, sealed under the password\n"
	"  --show                also on the standard output\n"
	"  --at-server           made and readable by the server, for those who trust it so far\n"
	"  --signing             a secp256k1 key at the server, for `kiln keys sign`\n",
    [KILN_KEYCLI_STORE] =
	"usage: kiln keys store --server HOST:PORT --account NAME [--in FILE] [FLAGS]\n\n"
	"Keeps a secret of yours, 1 to 255 bytes, at the server; sealed on this device, so that "
	"the\n"
	"server holds what it cannot read. Without --in: from the standard input, or typed "
	"without\n"
	"being shown.\n\n"
	"  kiln keys store --server keys.example:8443 --account me@example.org --in wallet.seed\n"
	"  pass show wallet | kiln keys store --server keys.example:8443 --account "
	"me@example.org\n\n"
	"  --in FILE             the secret, every byte of the file\n"
	"  --exported            it is a file of `kiln keys export`: the secret in it\n"
	"  --local FILE          also into the local file, sealed under the password\n",
    [KILN_KEYCLI_IMPORT] =
	"usage: kiln keys import --server HOST:PORT --account NAME [--in FILE] [FLAGS]\n\n"
	"As `kiln keys store`, and two other ways to keep a secret:\n\n"
	"  kiln keys import ... --in api.token --at-server   (the server can read it)\n"
	"  kiln keys import ... --in signing.key --signing   (a secp256k1 private key, 32 bytes)\n"
	"  kiln keys import ... --in backup.export --exported\n\n"
	"  --in FILE             the secret, every byte of the file\n"
	"  --exported            it is a file of `kiln keys export`: the secret in it\n"
	"  --at-server           readable by the server\n"
	"  --signing             a signing key, for `kiln keys sign`\n"
	"  --local FILE          also into the local file, sealed under the password\n",
    [KILN_KEYCLI_RETRIEVE] =
	"usage: kiln keys retrieve KEY --server HOST:PORT --account NAME [FLAGS]\n"
	"       kiln keys retrieve KEY --local FILE [FLAGS]         (without the server)\n\n"
	"Gets a secret back. Never on a terminal unless asked with --show.\n\n"
	"  kiln keys retrieve 5f0c...e1 --server keys.example:8443 --account me@example.org --out "
	"seed\n"
	"  kiln keys retrieve 5f0c...e1 --server keys.example:8443 --account me@example.org \\\n"
	"       --local my.keys                       (into the local file)\n"
	"  kiln keys retrieve 5f0c...e1 --local my.keys --show\n\n"
	"  --out FILE            into a new file, mode 0600\n"
	"  --show                on the standard output\n"
	"  --local FILE          with --server: into that local file; without: out of it\n"
	"  --kind WORD           what it must be: backup (sealed here), held (by the server, which "
	"can\n"
	"                        have made it up), signing, any  [backup]\n"
	"  --local-use           tell the audit log that it is for use on this device\n",
    [KILN_KEYCLI_EXPORT] =
	"usage: kiln keys export KEY --server HOST:PORT --account NAME --out FILE [FLAGS]\n\n"
	"Writes a secret for other programs: a byte of length, the secret, a byte of length, and "
	"what\n"
	"it was sealed with. `kiln keys import --exported` reads it.\n\n"
	"  kiln keys export 5f0c...e1 --server keys.example:8443 --account me@example.org --out "
	"e1.export\n\n"
	"  --out FILE            a new file, mode 0600\n"
	"  --kind WORD           as with retrieve: backup, held, signing, any  [backup]\n"
	"  --show                also on the standard output\n",
    [KILN_KEYCLI_AUDIT] =
	"usage: kiln keys audit --server HOST:PORT --account NAME [FLAGS]\n\n"
	"What was done with the account, and tried: by whom, when, from where, and what came of "
	"it.\n\n"
	"  kiln keys audit --server keys.example:8443 --account me@example.org\n"
	"  kiln keys audit ... --which system --after 2026-01-01 --json\n\n"
	"  --which WORD          all, system (registration, logins, audits) or keys  [all]\n"
	"  --key KEY             only lines about that key; may come up to 64 times\n"
	"  --after, --before DATE  2026-01-31 or 2026-01-31T23:59:59Z, UTC\n"
	"  --from N              lines from number N on\n"
	"  --limit N             the first N lines that pass; where they end is said\n"
	"  --last N              the newest N lines that pass\n",
    [KILN_KEYCLI_DELETE] =
	"usage: kiln keys delete KEY --server HOST:PORT --account NAME [FLAGS]\n\n"
	"Deletes a key for good. Copies in --local files and exports stay.\n\n"
	"  kiln keys delete 5f0c...e1 --server keys.example:8443 --account me@example.org\n",
    [KILN_KEYCLI_SIGN] =
	"usage: kiln keys sign KEY --server HOST:PORT --account NAME [--in FILE] [FLAGS]\n\n"
	"Signs with a signing key that is at the server: ECDSA on secp256k1 over the message's "
	"SHA-256;\n"
	"64 bytes, r and s.\n\n"
	"  kiln keys sign 5f0c...e1 --server keys.example:8443 --account me@example.org --in "
	"order.json\n"
	"  kiln keys sign 5f0c...e1 ... --digest b94d27b9...\n\n"
	"  --in FILE             the message; without: the standard input\n"
	"  --digest HEX          32 bytes that are signed as they are\n"
	"  --out FILE            the signature's bytes into a new file\n",
    [KILN_KEYCLI_PUBLIC_KEY] =
	"usage: kiln keys public-key KEY --server HOST:PORT --account NAME [FLAGS]\n\n"
	"The public key of a signing key: 33 bytes, compressed.\n\n"
	"  kiln keys public-key 5f0c...e1 --server keys.example:8443 --account me@example.org\n",
    [KILN_KEYCLI_CHANGE_PASSWORD] =
	"usage: kiln keys change-password --server HOST:PORT --account NAME [FLAGS]\n\n"
	"A new password for the account. Secrets stay where they are; other sessions are refused "
	"from\n"
	"then on. Local files keep the password that they were made with.\n\n"
	"  kiln keys change-password --server keys.example:8443 --account me@example.org\n\n"
	"  --new-password-file FILE   --new-password-fd N   instead of asking for it\n",
};

static const char common[] =
    "\nThe server:\n"
    "  --server HOST:PORT    --account NAME\n"
    "  --cacert FILE         whose certificates to trust  [the system's]\n"
    "  --server-name NAME    the name in its certificate  [HOST]\n"
    "  --server-key HEX      the key that `register` printed: no other server is good\n"
    "  --server-identity N   where the server was given a name of its own\n"
    "  --timeout TIME        for all of it  [60s]\n"
    "\nThe password is asked for at the terminal, or comes from:\n"
    "  --password-file FILE  ours alone (chmod 600); one newline at the end does not count\n"
    "  --password-fd N       an open descriptor: --password-fd 3 3< <(pass show kiln)\n"
    "  --stretch WORD        as at the registration: default (Argon2id, 64 MiB), rfc9807 (2 GiB),\n"
    "                        single (one lane)  [default]\n"
    "\nThis device:\n"
    "  --device-file FILE    what the server knows it by: made where it is not there, 32 random\n"
    "                        bytes, mode 0600  [~/.local/state/kiln/device]\n"
    "\nThe answer:\n"
    "  --json                one JSON object\n"
    "\nExit status: 0 done; 1 failed; 2 the command line is wrong; 3 wrong password, or no such\n"
    "account; 4 too many attempts or busy, try again later; 5 refused. See docs/keys.md.\n";

void kiln_keycli_help(enum kiln_keycli_command command)
{
	(void)fputs(texts[command], stdout);
	(void)fputs(common, stdout);
}
