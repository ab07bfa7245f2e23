# Steering of connections to workers. Needs the right to load eBPF; exits 77 without it.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
find_package(Threads REQUIRED)

add_executable(steer_shares_test steer_shares_test.c)
target_link_libraries(steer_shares_test PRIVATE kiln_flags kiln_steer kiln_bpf PkgConfig::CMOCKA)
add_test(NAME steer_shares COMMAND steer_shares_test)
set_tests_properties(steer_shares PROPERTIES LABELS "unit" TIMEOUT 60)

add_executable(steer_test steer_test.c steer_rig.c)
target_link_libraries(steer_test PRIVATE kiln_flags kiln_steer kiln_bpf PkgConfig::CMOCKA
  Threads::Threads)
add_test(NAME steer COMMAND steer_test)
set_tests_properties(steer PROPERTIES LABELS "bpf;unit" SKIP_RETURN_CODE 77 TIMEOUT 300)
