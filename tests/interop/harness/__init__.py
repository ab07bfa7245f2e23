"""What the interop tests share: gateways, peers, backends, and the patience they need."""
