# lib/keys from memory: the client's machine against the server's, over a store in memory.
function(_keys_test name)
  kiln_unit_test(keys_${name} SOURCES keys_${name}.c keys_rig.c keys_store.c ${ARGN})
endfunction()

_keys_test(session)
_keys_test(log)
_keys_test(tamper)
_keys_test(resume)
_keys_test(bounds)
_keys_test(limits)
_keys_test(faults)
_keys_test(memory)
target_link_options(unit_keys_memory PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=strdup)
kiln_unit_test(keys_parts SOURCES keys_parts.c)
kiln_unit_test(driver_keys
  SOURCES driver_keys.c driver_rig.c driver_pki.c keys_store.c)
kiln_unit_test(keys_events SOURCES keys_events.c)
