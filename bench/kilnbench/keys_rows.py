"""What the keys mode measures: its rows, and how much of each."""

import pathlib


class Variant:
    """A row: whose server, or with how many users in its store."""

    def __init__(self, name, label, ours=True, users=0):
        self.name = name
        self.label = label
        self.ours = ours
        self.users = users


SERENITY_VERSION = "1.1.0"
KILN = Variant("kiln", "kiln")
SERENITY = Variant("serenity", f"@serenity-kit/opaque {SERENITY_VERSION}, node", ours=False)
PEERS = [KILN, SERENITY]

FEW, SOME, MANY, QUICK_MANY = 1, 10**4, 10**6, 10**5
STORES = [Variant(f"users-{n}", f"{n:,} user{'s' * (n > 1)}", users=n)
          for n in (FEW, SOME, QUICK_MANY, MANY)]
BY_NAME = {variant.name: variant for variant in PEERS + STORES}
USUAL = f"users-{SOME}"

# Of what kiln-keys-load fills in: stores of another one are not used.
FILLED = 2


def kept_folder(stores, users):
    """Where a store with so many users is kept from run to run."""
    return pathlib.Path(stores) / f"{users}-{FILLED}"


# With what a measure's rows are compared.
BASELINE = {"opaque-login": "serenity", "opaque-registration": "serenity",
            "keys-login": "serenity", "keys-registration": "serenity", "keys-growth": USUAL,
            "keys-start": USUAL}
MEASURES = list(BASELINE)

CONNS, DEPTH = 4, 16
WARMUP = {"login": 2000, "registration": 500}
# Milliseconds of a sample, of the server's processor time or (keys-*) by the clock on the wall.
AMOUNTS = {True: {name: {"milliseconds": 700} for name in MEASURES},
           False: {name: {"milliseconds": 4000} for name in MEASURES}}
ROUNDS = {True: 2, False: 9}

LEAST_LOGIN = 3.0   # times the rate of serenity
MOST_GROWTH = 1.3   # times the cost of a login with SOME users


def _ratio(summary, measure, peer, metric):
    return summary.get(measure, {}).get(peer, {}).get(metric, {}).get("ratio")


def verdicts(summary):
    """What was promised, and what was measured: lines for people."""
    lines = []
    for what, measure in (("OPAQUE login", "opaque-login"),
                          ("OPAQUE registration", "opaque-registration"),
                          ("key server, login", "keys-login"),
                          ("key server, registration", "keys-registration")):
        ratio = _ratio(summary, measure, "kiln", "per_core")
        if ratio:
            wanted = (f" (wanted: at least {LEAST_LOGIN:.1f})" if measure == "keys-login" else "")
            lines.append(f"{what}: {ratio:.2f} times serenity's rate on the same core{wanted}")
    for store in STORES[1:]:
        ratio = _ratio(summary, "keys-growth", store.name, "cost_us")
        if ratio and store.name != USUAL:
            lines.append(f"login with {store.label}: {ratio:.2f} times the cost of one with "
                         f"{SOME:,} (wanted: at most {MOST_GROWTH:.1f})")
    return lines
