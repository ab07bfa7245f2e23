# The blocking driver of libkiln (kiln/conn.h). Most programs are two tests: unit_driver_X shows what
# works on any kernel, ktls_driver_X the same with the keys in the kernel, and is skipped without.
set(_driver_any pair openssl broken bulk chaos load script)
set(_driver_ktls pair openssl broken bulk chaos fd)
foreach(_part ${_driver_any} ${_driver_ktls})
  if(NOT TARGET driver_${_part})
    add_executable(driver_${_part} ${CMAKE_CURRENT_LIST_DIR}/driver_${_part}.c
      ${CMAKE_CURRENT_LIST_DIR}/driver_rig.c ${CMAKE_CURRENT_LIST_DIR}/driver_pki.c)
    target_link_libraries(driver_${_part} PRIVATE kiln_flags kiln_gateway PkgConfig::CMOCKA)
  endif()
endforeach()
target_sources(driver_script PRIVATE ${CMAKE_CURRENT_LIST_DIR}/driver_stage.c)
foreach(_part ${_driver_any})
  add_test(NAME unit_driver_${_part} COMMAND driver_${_part})
  set_tests_properties(unit_driver_${_part} PROPERTIES LABELS unit TIMEOUT 300)
endforeach()
foreach(_part ${_driver_ktls})
  add_test(NAME ktls_driver_${_part} COMMAND driver_${_part})
  set_tests_properties(ktls_driver_${_part} PROPERTIES LABELS "ktls;core" TIMEOUT 300
    SKIP_RETURN_CODE 77 ENVIRONMENT KILN_TEST_PATH=ktls)
endforeach()
