# The key server's store: the same tests over both databases.
kiln_unit_test(keys_store SOURCES keys_store.c keys_store_rig.c)
add_test(NAME unit_keys_store_postgresql
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/../interop/harness/postgres.py
    $<TARGET_FILE:unit_keys_store> postgresql)
set_tests_properties(unit_keys_store_postgresql PROPERTIES LABELS unit TIMEOUT 300
  SKIP_RETURN_CODE 77)
kiln_unit_test(keys_store_damage SOURCES keys_store_damage.c keys_store_rig.c TIMEOUT 300)
