kiln_unit_test(heap SOURCES heap.c)
