# The probes and "kiln doctor". They run anywhere: what a kernel lacks is what they are there to say.
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)

kiln_unit_test(doctor_reasons SOURCES doctor_reasons_test.c)
kiln_unit_test(doctor_probe SOURCES doctor_probe_test.c LABELS "unit;ktls;core")
kiln_unit_test(doctor_report SOURCES doctor_report_test.c LABELS "unit;ktls;core" TIMEOUT 240
  LIBRARIES PkgConfig::SECCOMP)
