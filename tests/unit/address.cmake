# Addresses.
kiln_unit_test(address SOURCES ${CMAKE_CURRENT_LIST_DIR}/address.c)
