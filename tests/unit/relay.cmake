# The worker's code on a scripted engine. relay_rig wraps the clock and the access line.
foreach(_part cut data ends fail fair kernel random starved time)
  kiln_unit_test(relay_${_part}
    SOURCES relay_${_part}.c relay_rig.c relay_peer.c script_io.c
      wire.c)
  target_link_options(unit_relay_${_part} PRIVATE
    -Wl,--wrap=clock_gettime -Wl,--wrap=kiln_link_log)
endforeach()

# The same from accept to close, with OpenSSL as the peer.
foreach(_part accept connect handshake install)
  kiln_unit_test(life_${_part}
    SOURCES life_${_part}.c life_rig.c tls_peer.c tls_certs.c relay_rig.c relay_peer.c script_io.c
      wire.c)
  target_link_options(unit_life_${_part} PRIVATE
    -Wl,--wrap=clock_gettime -Wl,--wrap=kiln_link_log -Wl,--wrap=time)
endforeach()
