# A worker's side of the channel to the identity agent.
kiln_unit_test(asker SOURCES ${CMAKE_CURRENT_LIST_DIR}/asker.c)
