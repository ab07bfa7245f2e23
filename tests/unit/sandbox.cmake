# The worker's sandbox, in forked children.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

foreach(_test sandbox_test sandbox_calls_test)
  add_executable(${_test} ${_test}.c)
  target_link_libraries(${_test} PRIVATE kiln_flags kiln_sandbox kiln_static PkgConfig::CMOCKA
    PkgConfig::URING)
  string(REPLACE "_test" "" _name ${_test})
  add_test(NAME ${_name} COMMAND ${_test})
  set_tests_properties(${_name} PROPERTIES LABELS "unit" TIMEOUT 120)
endforeach()
