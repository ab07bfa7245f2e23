# The development STS from memory.
kiln_unit_test(sts_chain SOURCES ${CMAKE_CURRENT_LIST_DIR}/sts_chain.c)
