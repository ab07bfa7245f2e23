/* SPDX-License-Identifier: Apache-2.0
 * The PROXY v2 header that tells the target who connected: a server's goes out in front of the
 * plain stream, a client's is the first data inside TLS. */
#include <stdlib.h>
#include <string.h>

#include "proxy/proxy_v2.h"
#include "worker/worker.h"

/* Whom the accepted connection is from: by the header that came with it, or by its socket. */
static void fill_addresses(const struct kiln_link *conn, struct kiln_proxy_info *info)
{
	if (conn->proxied != NULL) {
		info->source = conn->proxied[0];
		info->destination = conn->proxied[1];
		return;
	}
	const bool server = conn->worker->settings.role == KILN_SERVER;
	const int accepted = server ? conn->tls_fd : conn->plain_fd;
	socklen_t len = sizeof info->destination;
	memcpy(&info->source, &conn->peer_address, sizeof conn->peer_address);
	if (getsockname(accepted, (struct sockaddr *)&info->destination, &len) != 0)
		info->destination.ss_family = AF_UNSPEC;
}

/* Kiln's own TLVs: who the peer is, by certificate or by role. */
static size_t fill_custom(const struct kiln_link *conn, const struct kiln_peer *peer,
			  const char *role, struct kiln_proxy_tlv custom[4])
{
	size_t count = 0;
	if (conn->peer_role != NULL) {
		custom[count++] =
		    (struct kiln_proxy_tlv){KILN_PROXY_KILN_ROLE, kiln_proxy_text(role)};
		custom[count++] = (struct kiln_proxy_tlv){
		    KILN_PROXY_KILN_ACCOUNT, kiln_proxy_text(conn->peer_role->account)};
	} else if (conn->worker->settings.proxy_out >= KILN_PROXY_SEND_TLS_FULL && peer->present) {
		custom[count++] =
		    (struct kiln_proxy_tlv){KILN_PROXY_KILN_PEER_NAME, kiln_proxy_text(peer->name)};
		custom[count++] = (struct kiln_proxy_tlv){KILN_PROXY_KILN_PEER_SPKI,
							  {peer->spki, sizeof peer->spki}};
	}
	return count;
}

void kiln_link_prepare_header(struct kiln_link *conn, const struct kiln_session *session)
{
	const struct kiln_peer *peer = &session->peer;
	const enum kiln_proxy_send level = conn->worker->settings.proxy_out;
	struct kiln_proxy_tlv custom[4];
	char role[KILN_AWS_ROLE_ARN_MAX] = "";
	struct kiln_proxy_info info = {
	    .command = KILN_PROXY_PROXY,
	    .checksum = true,
	};
	if (level >= KILN_PROXY_SEND_TLS) {
		info.alpn = kiln_proxy_text(session->alpn);
		info.authority = kiln_proxy_text(session->server_name);
		info.ssl.present = true;
		info.ssl.client =
		    KILN_PROXY_CLIENT_SSL | (peer->present ? KILN_PROXY_CLIENT_CERT_CONN : 0);
		info.ssl.verify = peer->present ? 0 : 1;
		info.ssl.version = kiln_proxy_text("TLSv1.3");
		info.ssl.cipher = kiln_proxy_text(kiln_suite_name(session->suite));
		info.ssl.group = kiln_proxy_text(session->group);
		info.ssl.cn = kiln_proxy_text(peer->common_name);
	}
	if (conn->peer_role != NULL)
		kiln_aws_role_format(conn->peer_role, role);
	if (level >= KILN_PROXY_SEND_TLS) {
		info.custom = custom;
		info.custom_count = fill_custom(conn, peer, role, custom);
	}
	fill_addresses(conn, &info);
	conn->proxy_header = malloc(KILN_PROXY_V2_MAX);
	if (conn->proxy_header != NULL)
		conn->proxy_header_len =
		    (uint16_t)kiln_proxy_v2_encode(&info, conn->proxy_header, KILN_PROXY_V2_MAX);
}

bool kiln_link_announce(struct kiln_link *conn)
{
	struct kiln_proxy_info info = {
	    .command = KILN_PROXY_PROXY,
	    .checksum = true,
	};
	struct kiln_buffer *buffer = kiln_io_buffer_take(conn->worker->io);
	if (buffer == NULL) {
		struct kiln_error err = {0};
		(void)kiln_fail(&err, KILN_E_LIMIT, "no buffer left for the PROXY header");
		err.alert = KILN_ALERT_INTERNAL_ERROR;
		kiln_link_fail(conn, &err);
		return false;
	}
	fill_addresses(conn, &info);
	buffer->len = (uint32_t)kiln_proxy_v2_encode(&info, buffer->data, KILN_PROXY_V2_MAX);
	kiln_flow_push(&conn->down, buffer);
	return true;
}
