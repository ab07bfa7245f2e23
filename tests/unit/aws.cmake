# lib/aws from memory; *_golden against recorded data, where there is some.
function(_aws_test name)
  kiln_unit_test(aws_${name} SOURCES aws_${name}.c ${ARGN} LIBRARIES PkgConfig::JANSSON)
  target_compile_definitions(unit_aws_${name} PRIVATE
    KILN_GOLDEN_DEFAULT="${PROJECT_SOURCE_DIR}/../shared/golden")
endfunction()

_aws_test(sigv4_golden aws_golden.c)
foreach(_part role proof sts parts)
  _aws_test(${_part})
endforeach()
_aws_test(sts_golden aws_golden.c)
_aws_test(chain aws_world.c)
_aws_test(clock aws_world.c)
_aws_test(providers aws_world.c)
_aws_test(ini)
_aws_test(memory aws_world.c)
target_link_options(unit_aws_memory PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=strdup)
