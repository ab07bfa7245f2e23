# lib/roast from memory, with an STS that really verifies signatures; roast_golden against recorded
# data of the real library, where there is some.
function(_roast_test name)
  kiln_unit_test(roast_${name} SOURCES roast_${name}.c ${ARGN}
    LIBRARIES PkgConfig::JANSSON PkgConfig::SODIUM)
endfunction()

_roast_test(machine roast_rig.c wire.c)
_roast_test(hello wire.c)
_roast_test(forged roast_rig.c wire.c)
_roast_test(payload)
_roast_test(replay)
_roast_test(binding roast_rig.c wire.c)
_roast_test(golden aws_golden.c)
target_compile_definitions(unit_roast_golden PRIVATE
  KILN_GOLDEN_DEFAULT="${PROJECT_SOURCE_DIR}/../shared/golden")
_roast_test(trust)
_roast_test(tls roast_rig.c tls_peer.c tls_certs.c wire.c)
kiln_unit_test(roast_memory TIMEOUT 300 SOURCES roast_memory.c roast_rig.c wire.c
  LIBRARIES PkgConfig::JANSSON PkgConfig::SODIUM)
target_link_options(unit_roast_memory PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=strdup)
