"""AWS Signature Version 4 as its documentation has it, written apart from Kiln's: for signing what
`kiln sts` has to verify."""

import datetime
import hashlib
import hmac
import urllib.parse


def amz_date(offset=0):
    """X-Amz-Date of now and so many seconds."""
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset)
    return when.strftime("%Y%m%dT%H%M%SZ")


def canonical_query(query):
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    encoded = sorted((urllib.parse.quote(k, safe="-_.~"), urllib.parse.quote(v, safe="-_.~"))
                     for k, v in pairs)
    return "&".join(f"{k}={v}" for k, v in encoded)


def canonical_request(method, path, query, headers, body):
    """headers: those that are signed, as pairs."""
    joined = {}
    for name, value in headers:
        joined.setdefault(name.lower(), []).append(" ".join(value.split()))
    names = ";".join(sorted(joined))
    lines = "".join(f"{name}:{','.join(joined[name])}\n" for name in sorted(joined))
    return names, "\n".join((method, urllib.parse.quote(path or "/", safe="/-_.~%"),
                             canonical_query(query), lines, names,
                             hashlib.sha256(body).hexdigest()))


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def authorization(keys, method, path, query, headers, body, *, date, region="us-east-1",
                  service="sts", day=None):
    """The value of Authorization over just these headers."""
    day = day or date[:8]
    names, request = canonical_request(method, path, query, headers, body)
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", date, scope,
                         hashlib.sha256(request.encode()).hexdigest()))
    key = ("AWS4" + keys["secret_access_key"]).encode()
    for part in (day, region, service, "aws4_request"):
        key = mac(key, part)
    return (f"AWS4-HMAC-SHA256 Credential={keys['access_key_id']}/{scope}, "
            f"SignedHeaders={names}, Signature={mac(key, to_sign).hex()}")
