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
target_link_libraries(unit_opaque_ksf PRIVATE PkgConfig::SODIUM PkgConfig::ARGON2)
_opaque_test(ksf_large)
_opaque_test(tamper)
_opaque_test(refused)
_opaque_test(seal)
_opaque_test(left)

# Constant time, by valgrind: lib/opaque built once more, optimised as what is installed, with marks
# where a secret becomes public; and once with a leak in it.
find_program(KILN_VALGRIND valgrind)
include(CheckIncludeFile)
check_include_file(valgrind/memcheck.h KILN_HAVE_MEMCHECK_H)
if(KILN_SANITIZE)
  # Two that want to own the memory; the plain build runs these.
elseif(KILN_VALGRIND AND KILN_HAVE_MEMCHECK_H)
  get_target_property(_opaque_sources kiln_objects SOURCES)
  list(FILTER _opaque_sources INCLUDE REGEX "^opaque/|^base/error")
  list(TRANSFORM _opaque_sources PREPEND ${PROJECT_SOURCE_DIR}/lib/)
  set(_memcheck ${KILN_VALGRIND} --quiet --error-exitcode=99 --leak-check=no
    --suppressions=${CMAKE_CURRENT_LIST_DIR}/opaque_secrets.supp)
  foreach(_variant secrets secrets_leaky)
    add_executable(opaque_${_variant} opaque_secrets.c ${_opaque_sources})
    target_compile_definitions(opaque_${_variant} PRIVATE KILN_DECLASSIFY_BY_VALGRIND)
    target_compile_options(opaque_${_variant} PRIVATE -O2)
    target_include_directories(opaque_${_variant} PRIVATE
      ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/lib/include)
    target_link_libraries(opaque_${_variant} PRIVATE kiln_flags OpenSSL::Crypto
      PkgConfig::SODIUM PkgConfig::ARGON2)
  endforeach()
  target_compile_definitions(opaque_secrets_leaky PRIVATE sodium_memcmp=memcmp)
  add_test(NAME unit_opaque_secrets COMMAND ${_memcheck} $<TARGET_FILE:opaque_secrets>)
  add_test(NAME unit_opaque_secrets_index COMMAND ${CMAKE_CURRENT_LIST_DIR}/opaque_caught.sh
    ${_memcheck} $<TARGET_FILE:opaque_secrets> index)
  add_test(NAME unit_opaque_secrets_leaky COMMAND ${CMAKE_CURRENT_LIST_DIR}/opaque_caught.sh
    ${_memcheck} $<TARGET_FILE:opaque_secrets_leaky>)

  # The same work for those who do not exist.
  add_executable(opaque_work opaque_work.c)
  target_link_libraries(opaque_work PRIVATE kiln_flags kiln_static)
  add_test(NAME unit_opaque_work COMMAND ${CMAKE_CURRENT_LIST_DIR}/opaque_work.sh
    ${KILN_VALGRIND} $<TARGET_FILE:opaque_work>)
  set_tests_properties(unit_opaque_secrets unit_opaque_secrets_index unit_opaque_secrets_leaky
    unit_opaque_work PROPERTIES LABELS unit TIMEOUT 300)
else()
  add_test(NAME unit_opaque_secrets COMMAND sh -c
    "echo 'skipped: valgrind was not installed when this was configured'; exit 77")
  set_tests_properties(unit_opaque_secrets PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
endif()
