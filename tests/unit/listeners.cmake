kiln_unit_test(listeners SOURCES listeners.c)
