# lib/tls from memory.
kiln_unit_test(tls_schedule SOURCES tls_schedule.c)
kiln_unit_test(tls_record SOURCES tls_record.c wire.c)
kiln_unit_test(tls_control SOURCES tls_control.c)
foreach(_part handshake openssl refused)
  kiln_unit_test(tls_${_part}
    SOURCES tls_${_part}.c tls_pair.c tls_peer.c tls_certs.c wire.c)
endforeach()
