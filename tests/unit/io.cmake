# The engines, over real sockets.
kiln_unit_test(io_receive SOURCES io_receive.c)
