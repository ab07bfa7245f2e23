# The probes and "kiln doctor". They run anywhere: what a kernel lacks is what they are there to say.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)

add_executable(doctor_reasons_test doctor_reasons_test.c)
target_link_libraries(doctor_reasons_test PRIVATE kiln_flags kiln_doctor PkgConfig::CMOCKA)
add_test(NAME doctor_reasons COMMAND doctor_reasons_test)
set_tests_properties(doctor_reasons PROPERTIES LABELS "unit" TIMEOUT 120)

add_executable(doctor_probe_test doctor_probe_test.c)
target_link_libraries(doctor_probe_test PRIVATE kiln_flags kiln_doctor PkgConfig::CMOCKA)
add_test(NAME doctor_probe COMMAND doctor_probe_test)
set_tests_properties(doctor_probe PROPERTIES LABELS "unit;ktls" TIMEOUT 120)

add_executable(doctor_report_test doctor_report_test.c)
target_link_libraries(doctor_report_test PRIVATE kiln_flags kiln_doctor PkgConfig::CMOCKA
  PkgConfig::JANSSON PkgConfig::SECCOMP)
add_test(NAME doctor_report COMMAND doctor_report_test)
set_tests_properties(doctor_report PROPERTIES LABELS "unit;ktls" TIMEOUT 240)
