/* SPDX-License-Identifier: Apache-2.0
 * Records that are not data, after the handshake: alerts (RFC 8446 6), NewSessionTicket (4.6.1)
 * and KeyUpdate (4.6.3). One small state per direction, because messages may span records. */
#include <string.h>

#include "base/bytes.h"
#include "tls/traffic.h"

enum {
	MESSAGE_HEADER = 4,
	NEW_SESSION_TICKET = 4,
	KEY_UPDATE = 24,
	/* NewSessionTicket: lifetime, age_add, nonce<0..255>, ticket<1..2^16-1>,
	   extensions<0..2^16-2> */
	TICKET_MAX = 4 + 4 + 256 + 2 + 65535 + 2 + 65534,
};

static enum kiln_code refuse(struct kiln_error *err, enum kiln_code code, uint8_t alert,
			     const char *rule)
{
	(void)kiln_fail(err, code, "control record refused: %s", rule);
	if (err != NULL)
		err->alert = alert;
	return code;
}

static enum kiln_code read_alert(const uint8_t *data, size_t len, struct kiln_control *control,
				 struct kiln_error *err)
{
	if (len != 2)
		return refuse(err, KILN_E_TLS_RECORD, KILN_ALERT_DECODE_ERROR,
			      "an alert is two bytes in a record of its own (RFC 8446 5.1)");
	const uint8_t description = data[1];
	if (description == KILN_ALERT_CLOSE_NOTIFY) {
		control->close_notify = true;
		return KILN_OK;
	}
	if (description == KILN_ALERT_USER_CANCELED)
		return KILN_OK; /* 6.1: a close_notify follows */
	(void)kiln_fail(err, KILN_E_TLS_ALERT, "the peer sent the alert %s (%u)",
			kiln_alert_name(description), description);
	if (err != NULL) {
		err->alert = description;
		err->alert_received = true;
	}
	return KILN_E_TLS_ALERT;
}

/* The four bytes in front of a message are complete: may it come, and how long is it? */
static enum kiln_code judge_header(struct kiln_traffic *traffic, struct kiln_error *err)
{
	const uint32_t length = kiln_load_be24(traffic->message + 1);
	switch (traffic->message[0]) {
	case NEW_SESSION_TICKET:
		if (!traffic->takes_tickets)
			return refuse(err, KILN_E_TLS_MESSAGE, KILN_ALERT_UNEXPECTED_MESSAGE,
				      "NewSessionTicket from a client (RFC 8446 4.6.1)");
		if (length > TICKET_MAX)
			return refuse(
			    err, KILN_E_TLS_MESSAGE, KILN_ALERT_DECODE_ERROR,
			    "NewSessionTicket longer than its fields allow (RFC 8446 4.6.1)");
		break;
	case KEY_UPDATE:
		if (length != 1)
			return refuse(err, KILN_E_TLS_MESSAGE, KILN_ALERT_DECODE_ERROR,
				      "KeyUpdate is one byte long (RFC 8446 4.6.3)");
		break;
	default:
		return refuse(err, KILN_E_TLS_MESSAGE, KILN_ALERT_UNEXPECTED_MESSAGE,
			      "only NewSessionTicket and KeyUpdate may come after the handshake");
	}
	traffic->message_left = length;
	return KILN_OK;
}

static enum kiln_code finish_message(struct kiln_traffic *traffic, bool last_in_record,
				     struct kiln_control *control, struct kiln_error *err)
{
	traffic->message_have = 0;
	if (traffic->message[0] == NEW_SESSION_TICKET) {
		control->tickets++;
		return KILN_OK;
	}
	if (!last_in_record)
		return refuse(err, KILN_E_TLS_MESSAGE, KILN_ALERT_UNEXPECTED_MESSAGE,
			      "bytes behind a KeyUpdate in its record (RFC 8446 5.1)");
	const uint8_t request = traffic->message[4];
	if (request > 1)
		return refuse(err, KILN_E_TLS_MESSAGE, KILN_ALERT_ILLEGAL_PARAMETER,
			      "KeyUpdate asks for something unknown (RFC 8446 4.6.3)");
	control->key_update = true;
	control->update_requested = request == 1;
	return KILN_OK;
}

static enum kiln_code read_messages(struct kiln_traffic *traffic, const uint8_t *data, size_t len,
				    struct kiln_control *control, struct kiln_error *err)
{
	if (len == 0)
		return refuse(err, KILN_E_TLS_RECORD, KILN_ALERT_UNEXPECTED_MESSAGE,
			      "an empty handshake record (RFC 8446 5.1)");
	while (len > 0) {
		if (traffic->message_have < MESSAGE_HEADER) {
			traffic->message[traffic->message_have++] = *data++;
			len--;
			if (traffic->message_have < MESSAGE_HEADER)
				continue;
			enum kiln_code rc = judge_header(traffic, err);
			if (rc != KILN_OK)
				return rc;
		}
		/* A ticket's body is skipped; a KeyUpdate's one byte is kept in the last place. */
		const size_t n = len < traffic->message_left ? len : traffic->message_left;
		if (n > 0)
			traffic->message[4] = data[n - 1];
		data += n;
		len -= n;
		traffic->message_left -= (uint32_t)n;
		if (traffic->message_left == 0) {
			enum kiln_code rc = finish_message(traffic, len == 0, control, err);
			if (rc != KILN_OK)
				return rc;
		}
	}
	return KILN_OK;
}

enum kiln_code kiln_traffic_count_useless(struct kiln_traffic *traffic, struct kiln_error *err)
{
	if (traffic->useless++ < KILN_USELESS_MAX)
		return KILN_OK;
	(void)kiln_fail(err, KILN_E_TLS_MESSAGE, "more than %u records in a row without data",
			KILN_USELESS_MAX);
	if (err != NULL)
		err->alert = KILN_ALERT_UNEXPECTED_MESSAGE;
	return KILN_E_TLS_MESSAGE;
}

enum kiln_code kiln_traffic_data(struct kiln_traffic *traffic, size_t len, struct kiln_error *err)
{
	if (traffic->message_have != 0)
		return refuse(err, KILN_E_TLS_MESSAGE, KILN_ALERT_UNEXPECTED_MESSAGE,
			      "data inside a handshake message (RFC 8446 5.1)");
	if (len == 0)
		return kiln_traffic_count_useless(traffic, err);
	traffic->useless = 0;
	return KILN_OK;
}

static enum kiln_code read_record(struct kiln_traffic *traffic, uint8_t type, const uint8_t *data,
				  size_t len, struct kiln_control *control, struct kiln_error *err)
{
	if (type == KILN_RECORD_HANDSHAKE)
		return read_messages(traffic, data, len, control, err);
	if (traffic->message_have != 0)
		return refuse(err, KILN_E_TLS_MESSAGE, KILN_ALERT_UNEXPECTED_MESSAGE,
			      "another record type inside a handshake message (RFC 8446 5.1)");
	if (type == KILN_RECORD_ALERT)
		return read_alert(data, len, control, err);
	return refuse(err, KILN_E_TLS_RECORD, KILN_ALERT_UNEXPECTED_MESSAGE,
		      "a content type that may not come here (RFC 8446 5)");
}

enum kiln_code kiln_traffic_control(struct kiln_traffic *traffic, uint8_t type, const uint8_t *data,
				    size_t len, struct kiln_control *control,
				    struct kiln_error *err)
{
	memset(control, 0, sizeof *control);
	const enum kiln_code rc = read_record(traffic, type, data, len, control, err);
	return rc == KILN_OK ? kiln_traffic_count_useless(traffic, err) : rc;
}

void kiln_key_update_message(uint8_t out[KILN_KEY_UPDATE_LEN], bool request_update)
{
	static const uint8_t message[KILN_KEY_UPDATE_LEN] = {KEY_UPDATE, 0, 0, 1, 0};
	memcpy(out, message, sizeof message);
	out[4] = request_update;
}
