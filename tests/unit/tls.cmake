# lib/tls from memory.
kiln_unit_test(tls_schedule SOURCES tls_schedule.c)
kiln_unit_test(tls_record SOURCES tls_record.c wire.c)
