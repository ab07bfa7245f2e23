# The worker's code on a scripted engine. relay_rig wraps the clock and the access line.
foreach(_part data ends fail kernel starved time)
  kiln_unit_test(relay_${_part}
    SOURCES relay_${_part}.c relay_rig.c relay_peer.c script_io.c)
  target_link_options(unit_relay_${_part} PRIVATE
    -Wl,--wrap=clock_gettime -Wl,--wrap=kiln_conn_log)
endforeach()
