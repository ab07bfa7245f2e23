/* A key server's client: stores standard input (255 bytes at most), and gets it back.
 *	cc keys_client.c $(pkg-config --cflags --libs kiln) -o keys_client
 *	kiln keys register --server localhost:8444 --cacert ca.pem --account me --password-file word
 *	echo 'a secret' | ./keys_client localhost 8444 ca.pem me word */
#include <kiln/keys.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	char word[256] = "", data[KILN_KEYS_SECRET_MAX];
	uint8_t id[KILN_KEYS_KEY_ID_LEN];
	struct kiln_conn *conn = NULL;
	struct kiln_keys *keys = NULL;
	struct kiln_keys_secret secret = {0};
	struct kiln_error err = {.message = "usage: HOST PORT CA ACCOUNT PASSWORD-FILE"};
	const struct kiln_tls_files files = {.ca = argc == 6 ? argv[3] : NULL};
	const struct kiln_conn_options bound = {.exporter_label = KILN_KEYS_EXPORTER_LABEL,
						.exporter_len = KILN_KEYS_EXPORTER_SIZE};
	struct kiln_tls_options tls = {KILN_CLIENT, .peer_auth = KILN_PEER_REQUIRED};
	tls.server_name = tls.verify_name = argv[1];
	tls.alpn = KILN_KEYS_ALPN;
	FILE *in = argc == 6 ? fopen(argv[5], "r") : NULL;
	if (in == NULL || fgets(word, sizeof word, in) == NULL)
		return fprintf(stderr, "keys_client: %s\n", err.message), 1;
	const size_t len = strcspn(word, "\n"), size = fread(data, 1, sizeof data, stdin);
	struct kiln_tls_config *config = kiln_tls_config_load(&tls, &files, &err);
	if (config == NULL || kiln_tls_connect(config, argv[1], argv[2], &bound, &conn, &err) < 0 ||
	    kiln_keys_open(conn, argv[4], word, len, NULL, &keys, &err) != KILN_OK ||
	    kiln_keys_store(keys, data, size, id, &err) != KILN_OK ||
	    kiln_keys_retrieve(keys, id, KILN_KEYS_BACKUP, KILN_KEYS_FOR_LOCAL_USE, &secret,
			       &err) != KILN_OK)
		return fprintf(stderr, "keys_client: %s\n", err.message), 1;
	fwrite(secret.data, 1, secret.len, stdout);
	kiln_opaque_wipe(&secret, sizeof secret);
	kiln_keys_close(keys);
	kiln_conn_close(conn);
	kiln_tls_config_unref(config);
	return fclose(in);
}
