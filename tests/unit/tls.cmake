# lib/tls from memory.
kiln_unit_test(tls_schedule SOURCES tls_schedule.c)
kiln_unit_test(tls_record SOURCES tls_record.c wire.c)
kiln_unit_test(tls_control SOURCES tls_control.c)
foreach(_part config handshake identity openssl refused)
  kiln_unit_test(tls_${_part}
    SOURCES tls_${_part}.c tls_pair.c tls_peer.c tls_certs.c wire.c)
endforeach()
kiln_unit_test(tls_access SOURCES tls_access.c tls_certs.c)
kiln_unit_test(tls_memory TIMEOUT 300
  SOURCES tls_memory.c tls_pair.c tls_peer.c tls_certs.c wire.c)
target_link_options(unit_tls_memory PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=strdup)
kiln_unit_test(tls_ktls SOURCES tls_ktls.c)
