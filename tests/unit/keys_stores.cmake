# The key server's store: the same tests over both databases.
foreach(name keys_stores keys_stores_log keys_stores_whole keys_stores_kept)
  kiln_unit_test(${name} SOURCES ${name}.c keys_stores_suite.c keys_stores_rig.c)
  add_test(NAME unit_${name}_postgresql
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/../interop/harness/postgres.py
      $<TARGET_FILE:unit_${name}> postgresql)
  set_tests_properties(unit_${name}_postgresql PROPERTIES LABELS unit TIMEOUT 300
    SKIP_RETURN_CODE 77)
endforeach()
kiln_unit_test(keys_stores_damage SOURCES keys_stores_damage.c keys_stores_rig.c TIMEOUT 300)

add_executable(unit_keys_stores_migrate keys_stores_migrate.c keys_stores_rig.c)
target_link_libraries(unit_keys_stores_migrate PRIVATE kiln_flags kiln_gateway PkgConfig::CMOCKA)
add_test(NAME unit_keys_stores_migrate
  COMMAND unit_keys_stores_migrate ${CMAKE_CURRENT_LIST_DIR}/keys_stores_v1.sql)
set_tests_properties(unit_keys_stores_migrate PROPERTIES LABELS unit TIMEOUT 60)
