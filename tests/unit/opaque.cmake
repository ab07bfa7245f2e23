# lib/opaque from memory; opaque_golden against what real peers said, where it is.
function(_opaque_test name)
  kiln_unit_test(opaque_${name} SOURCES opaque_${name}.c opaque_rig.c ${ARGN}
    LIBRARIES PkgConfig::JANSSON)
  target_compile_definitions(unit_opaque_${name} PRIVATE
    KILN_OPAQUE_VECTORS="${CMAKE_CURRENT_LIST_DIR}/opaque_rfc9807.json"
    KILN_GOLDEN_DEFAULT="${PROJECT_SOURCE_DIR}/../shared/golden")
endfunction()

_opaque_test(vectors opaque_known.c)
_opaque_test(golden opaque_known.c aws_golden.c)
_opaque_test(ksf)
target_link_libraries(unit_opaque_ksf PRIVATE PkgConfig::SODIUM)
_opaque_test(ksf_large)
_opaque_test(tamper)
_opaque_test(refused)
_opaque_test(seal)
