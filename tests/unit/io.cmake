# The engines, over real sockets.
kiln_unit_test(io_receive SOURCES io_receive.c)
kiln_unit_test(io_engines SOURCES io_engines.c)
