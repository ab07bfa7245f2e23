# Roast in libkiln's driver (kiln/roast.h), over loopback, with an STS in a thread.
foreach(_part roast identity answers)
  kiln_unit_test(driver_${_part} SOURCES driver_${_part}.c roast_world.c roast_rig.c wire.c
    LIBRARIES PkgConfig::JANSSON PkgConfig::SODIUM)
endforeach()

kiln_unit_test(driver_program SOURCES driver_program.c)
