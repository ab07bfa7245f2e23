# Hand-off: the messages from memory; the application's side and the worker's over socket pairs.
kiln_unit_test(handoff_message SOURCES handoff_message.c)
kiln_unit_test(handoff_accept SOURCES handoff_accept.c)
kiln_unit_test(handoff_send
  SOURCES handoff_send.c life_rig.c tls_peer.c tls_certs.c relay_rig.c relay_peer.c script_io.c wire.c)
target_link_options(unit_handoff_send PRIVATE
  -Wl,--wrap=clock_gettime -Wl,--wrap=kiln_link_log -Wl,--wrap=time)
