# Hand-off: the messages from memory; the application's side and the worker's over socket pairs.
kiln_unit_test(handoff_message SOURCES handoff_message.c)
foreach(_test handoff_accept handoff_ends handoff_shortage)
  kiln_unit_test(${_test} SOURCES ${_test}.c handoff_player.c)
endforeach()
target_link_options(unit_handoff_shortage PRIVATE -Wl,--wrap=kiln_driver_now)
foreach(_test handoff_send handoff_answer)
  kiln_unit_test(${_test}
    SOURCES ${_test}.c handoff_rig.c life_rig.c tls_peer.c tls_certs.c relay_rig.c relay_peer.c
            script_io.c wire.c)
  target_link_options(unit_${_test} PRIVATE
    -Wl,--wrap=clock_gettime -Wl,--wrap=kiln_link_log -Wl,--wrap=time)
endforeach()
